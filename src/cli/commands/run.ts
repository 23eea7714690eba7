/** `mycelium run`: the agent, in the foreground for a supervisor, or in the background without one. */

import { explainConfig } from "../../domain/config/index.ts";
import { logPath, startInBackground, takeOverPid } from "../background.ts";
import { command } from "../command.ts";
import { EXIT } from "../exit-code.ts";
import { runAsOwner } from "../self.ts";
import { configInput, configOf, givenSettings, SETTING_ARGS } from "../settings.ts";
import type { Terminal } from "../terminal.ts";

export const runCommand = command({
  name: "run",
  summary: "Run this node until it is told to stop",
  examples: ["mycelium run", "mycelium run --state ./a --background"],
  args: {
    background: {
      type: "boolean",
      description: "return when it answers; pid and log file are in the state directory",
    },
    adopt: {
      type: "boolean",
      description: "accept a state directory that was moved here; never run the original beside it",
    },
    ...SETTING_ARGS,
  },
  run: async (args, { terminal, rawArgs }) => {
    const config = configOf(args, terminal);
    if (args.background) {
      const flags = Object.entries(givenSettings(args)).flatMap(([flag, value]) =>
        flag === "state" ? [] : [`--${flag}=${value}`],
      );
      const pid = await startInBackground(config.state, flags, terminal.environment);
      if (args.json) terminal.out(JSON.stringify({ pid, log: logPath(config.state) }));
      else terminal.out(`The node runs as process ${pid}; its log is ${logPath(config.state)}`);
      return EXIT.ok;
    }
    const status = await runAsOwner(config.state, ["run", ...rawArgs], terminal.environment);
    if (status !== null) return status;
    takeOverPid(config.state);
    const { runAgent } = await import("../../agent/index.ts");
    return runAgent(config, {
      settings: { settings: explainConfig(configInput(givenSettings(args), terminal)) },
      adopt: args.adopt === true,
      launch: {
        launcher: terminal.environment["MYCELIUM_LAUNCHER"] || null,
        environment: terminal.environment,
      },
      ...supervisorOf(terminal.environment),
    });
  },
});

/** What systemd asks of a Type=notify service with a watchdog (sd_notify(3), sd_watchdog_enabled(3)). */
function supervisorOf(environment: Terminal["environment"]): {
  notifySocket: string | null;
  watchdogMs: number | null;
} {
  const watchdogUs = Number(environment["WATCHDOG_USEC"] ?? 0);
  const isForUs = (environment["WATCHDOG_PID"] ?? String(process.pid)) === String(process.pid);
  return {
    notifySocket: environment["NOTIFY_SOCKET"] || null,
    // Half of it, so that one late beat is no end.
    watchdogMs: watchdogUs > 0 && isForUs ? Math.floor(watchdogUs / 2_000) : null,
  };
}
