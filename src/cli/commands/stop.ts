/** `mycelium stop`: ends the agent gracefully; leadership is handed over first. */

import { untilStopped } from "../agent-end.ts";
import { command, STATE_ARG } from "../command.ts";
import { EXIT } from "../exit-code.ts";
import { serviceOf } from "../service.ts";
import { clientOf, stateDirectoryOf } from "../state-directory.ts";

export const stopCommand = command({
  name: "stop",
  summary: "Stop this node; it stays a member and `run` starts it again",
  examples: ["mycelium stop", "mycelium stop --state ./a"],
  args: STATE_ARG,
  run: async (args, { terminal }) => {
    const state = stateDirectoryOf(args.state, terminal);
    const client = clientOf(args.state, terminal);
    const service = serviceOf(state, terminal.environment);
    if (service?.isRunning) await service.stop();
    else {
      await client.stop();
      await untilStopped(client, state);
    }
    if (args.json) terminal.out(JSON.stringify({ stopped: true }));
    else terminal.out("The node has stopped");
    return EXIT.ok;
  },
});
