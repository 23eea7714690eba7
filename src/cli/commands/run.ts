/** `mycelium run`: the agent, in the foreground for a supervisor, or in the background without one. */

import { logPath, startInBackground } from "../background.ts";
import { command } from "../command.ts";
import { EXIT } from "../exit-code.ts";
import { runAsOwner } from "../self.ts";
import { configOf, givenSettings, SETTING_ARGS } from "../settings.ts";

export const runCommand = command({
  name: "run",
  summary: "Run this node until it is told to stop",
  examples: ["mycelium run", "mycelium run --state ./a --background"],
  args: {
    background: {
      type: "boolean",
      description: "return when it answers; pid and log file are in the state directory",
    },
    ...SETTING_ARGS,
  },
  run: async (args, { terminal, rawArgs }) => {
    const config = configOf(args, terminal);
    if (args.background) {
      const flags = Object.entries(givenSettings(args)).flatMap(([flag, value]) =>
        flag === "state" ? [] : [`--${flag}=${value}`],
      );
      const pid = await startInBackground(config.state, flags);
      if (args.json) terminal.out(JSON.stringify({ pid, log: logPath(config.state) }));
      else terminal.out(`The node runs as process ${pid}; its log is ${logPath(config.state)}`);
      return EXIT.ok;
    }
    const status = await runAsOwner(config.state, ["run", ...rawArgs]);
    if (status !== null) return status;
    const { runAgent } = await import("../../agent/index.ts");
    return runAgent(config);
  },
});
