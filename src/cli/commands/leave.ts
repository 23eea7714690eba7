/** `mycelium leave`: takes this node out of its network. */

import { untilStopped } from "../agent-end.ts";
import { command, STATE_ARG } from "../command.ts";
import { EXIT } from "../exit-code.ts";
import { serviceOf } from "../service.ts";
import { clientOf, stateDirectoryOf } from "../state-directory.ts";

export const leaveCommand = command({
  name: "leave",
  summary: "Take this node out of its network; the others go on",
  examples: ["mycelium leave", "mycelium leave --wipe --state ./b"],
  args: {
    wipe: { type: "boolean", description: "also delete this node's identity, log and data" },
    ...STATE_ARG,
  },
  run: async (args, { terminal }) => {
    const client = clientOf(args.state, terminal);
    const state = stateDirectoryOf(args.state, terminal);
    const service = serviceOf(state, terminal.environment);
    const answer = await client.leave(args.wipe === true);
    await untilStopped(client, state);
    // A service would only start again what has left.
    await service?.stop();
    if (args.json) terminal.out(JSON.stringify(answer));
    else if (answer.wiped) terminal.out("This node has left its network; its data is deleted");
    else terminal.out("This node has left its network; its data is kept");
    return EXIT.ok;
  },
});
