/** `mycelium update`: look for releases, decide on them, and watch them go round. */

import type { LocalClient } from "../../client/index.ts";
import type { UpdateStatus } from "../../domain/api/index.ts";
import { type Command, command, commandGroup, STATE_ARG } from "../command.ts";
import { EXIT } from "../exit-code.ts";
import { wholeNodeId } from "../node-id.ts";
import { clientOf } from "../state-directory.ts";
import { updateView } from "../status/update-view.ts";
import { paint, type Terminal } from "../terminal.ts";

const VERSION_ARG = {
  version: { type: "positional", required: true, description: "the version" },
} as const;

const checkCommand = simple(
  "check",
  "Look for a release now",
  ["mycelium update check", "mycelium update check --json | jq -r .available.version"],
  (client) => client.checkUpdate(),
);

const statusCommand = simple(
  "status",
  "Show this node's version, what is available, and how far the rollout is",
  ["mycelium update status", "mycelium update status --json | jq .plan.nodes"],
  (client) => client.update(),
);

const planCommand = command({
  name: "plan",
  summary: "Propose a rollout: of what the channel is at, or of a version that it names",
  examples: [
    "mycelium update plan",
    "mycelium update plan 0.2.0",
    "mycelium update plan --dry-run",
  ],
  args: {
    version: {
      type: "positional",
      required: false,
      description: "the version, if not the channel's",
    },
    "dry-run": { type: "boolean", description: "only look, and show what is there" },
    ...STATE_ARG,
  },
  run: async (args, { terminal }) => {
    const client = clientOf(args.state, terminal);
    const { version } = args;
    const body = version === undefined ? {} : { version };
    const isLook = args["dry-run"] === true;
    const update = isLook ? await client.checkUpdate() : await client.planUpdate(body);
    return show(update, args.json === true, terminal);
  },
});

const approveCommand = command({
  name: "approve",
  summary: "Vote, on this node, for a release that is proposed",
  examples: ["mycelium update approve 0.2.0"],
  args: { ...VERSION_ARG, ...STATE_ARG },
  run: async (args, { terminal }) => {
    const update = await clientOf(args.state, terminal).approveUpdate({ version: args.version });
    return show(update, args.json === true, terminal);
  },
});

const rollbackCommand = command({
  name: "rollback",
  summary: "Propose to go back to a version that nodes still hold in their slots",
  examples: [
    "mycelium update rollback 0.1.0",
    "mycelium update rollback 0.1.0 --node SKKBV2Tfy --node S8gcV8k",
  ],
  args: {
    ...VERSION_ARG,
    node: {
      type: "string",
      valueHint: "ID...",
      description:
        "only this node (its id or last letters); may be given again; otherwise all that hold it",
    },
    ...STATE_ARG,
  },
  run: async (args, { terminal }) => {
    const client = clientOf(args.state, terminal);
    const typed = (args.node ?? "").split(",").filter((one) => one !== "");
    const status = typed.length === 0 ? null : await client.status();
    const nodes = status === null ? [] : typed.map((one) => wholeNodeId(one, status, "roll back"));
    const { version } = args;
    const body = nodes.length === 0 ? { version } : { version, nodes };
    return show(await client.rollbackUpdate(body), args.json === true, terminal);
  },
});

export const updateCommand = commandGroup("update", "Keep the network's software up to date", [
  statusCommand,
  checkCommand,
  planCommand,
  approveCommand,
  simple("pause", "Let no further node switch until resumed", ["mycelium update pause"], (client) =>
    client.commandUpdate("pause"),
  ),
  simple("resume", "Go on with a paused rollout", ["mycelium update resume"], (client) =>
    client.commandUpdate("resume"),
  ),
  simple(
    "abort",
    "End the rollout: nodes that have switched stay, no other does",
    ["mycelium update abort"],
    (client) => client.commandUpdate("abort"),
  ),
  rollbackCommand,
]);

function simple(
  name: string,
  summary: string,
  examples: readonly string[],
  ask: (client: LocalClient) => Promise<UpdateStatus>,
): Command {
  return command({
    name,
    summary,
    examples,
    args: STATE_ARG,
    run: async (args, { terminal }) =>
      show(await ask(clientOf(args.state, terminal)), args.json === true, terminal),
  });
}

function show(update: UpdateStatus, json: boolean, terminal: Terminal): number {
  const ink = paint(terminal.colour && terminal.isTerminal);
  const lines = json ? [JSON.stringify(update)] : updateView(update, Date.now(), ink);
  for (const line of lines) terminal.out(line);
  return EXIT.ok;
}
