/** `mycelium node list` and `mycelium node remove ID`. */

import type { Status } from "../../domain/api/index.ts";
import { command, commandGroup, STATE_ARG } from "../command.ts";
import { EXIT } from "../exit-code.ts";
import { wholeNodeId } from "../node-id.ts";
import { clientOf } from "../state-directory.ts";
import { alignRows } from "../status/align-rows.ts";

const listCommand = command({
  name: "list",
  summary: "List the network's nodes",
  examples: ["mycelium node list", "mycelium node list --json | jq -r '.[].id'"],
  args: STATE_ARG,
  run: async (args, { terminal }) => {
    const nodes = nodesOf(await clientOf(args.state, terminal).status());
    if (args.json) {
      terminal.out(JSON.stringify(nodes));
      return EXIT.ok;
    }
    const head = ["ID", "CLASS", "ROLE", "TIER", "WEIGHT", "LINK", "ADDRESS"];
    const rows = nodes.map((node) => [
      node.id,
      node.class,
      node.role ?? "",
      String(node.tier),
      String(node.voteWeight),
      node.link,
      node.addresses[0] ?? "",
    ]);
    for (const line of alignRows([head, ...rows])) terminal.out(line);
    return EXIT.ok;
  },
});

const removeCommand = command({
  name: "remove",
  summary:
    "Take a node that has vanished out of the network; it cannot come back without a new token",
  examples: ["mycelium node remove 12D3KooWKnbrQRoyxGkhUyLTfWA3mFzGU5s5HWqjvSWSKKBV2Tfy"],
  args: {
    id: {
      type: "positional",
      required: true,
      description: "the node's id, or its last letters if no other has them",
    },
    ...STATE_ARG,
  },
  run: async (args, { terminal }) => {
    const client = clientOf(args.state, terminal);
    const answer = await client.removeNode(wholeNodeId(args.id, await client.status(), "remove"));
    if (args.json) terminal.out(JSON.stringify(answer));
    else terminal.out(`Removed ${answer.removed}`);
    return EXIT.ok;
  },
});

export const nodeCommand = commandGroup("node", "List and remove the network's nodes", [
  listCommand,
  removeCommand,
]);

function nodesOf({ node, listen, peers }: Status) {
  const { uptimeMs: _, state, ...self } = node;
  return [{ ...self, link: "self", addresses: [listen.peer], state }, ...peers];
}
