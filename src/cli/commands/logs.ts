/** `mycelium logs`: the node's log, from the journal or from the file of a background process. */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { MyceliumError } from "../../base/index.ts";
import { logPath } from "../background.ts";
import { command, STATE_ARG } from "../command.ts";
import { exitStatus } from "../self.ts";
import { hasSystemdUnit, journalCommand } from "../service.ts";
import { SYSTEM_STATE, stateDirectoryOf } from "../state-directory.ts";

export const logsCommand = command({
  name: "logs",
  summary: "Show the node's log, one JSON object a line",
  examples: ["mycelium logs", "mycelium logs --lines 500 --follow | jq -r .msg"],
  args: {
    lines: { type: "string", alias: "n", valueHint: "100", description: "how many lines back" },
    follow: { type: "boolean", alias: "f", description: "go on with new lines until Ctrl-C" },
    ...STATE_ARG,
  },
  run: async (args, { terminal }) => {
    const lines = linesOf(args.lines ?? "100");
    const state = stateDirectoryOf(args.state, terminal);
    const [program, ...words] =
      state === SYSTEM_STATE && hasSystemdUnit()
        ? journalCommand(lines, args.follow === true)
        : tailCommand(logPath(state), lines, args.follow === true);
    return exitStatus(spawn(program, words, { stdio: ["ignore", "inherit", "inherit"] }));
  },
});

function tailCommand(path: string, lines: number, follow: boolean): readonly [string, ...string[]] {
  if (!existsSync(path)) {
    throw new MyceliumError(
      "STATE_MISSING",
      `Cannot show the log: there is no ${path}; a node run in the foreground logs to its own terminal, ` +
        "`mycelium run --background` logs there",
    );
  }
  return ["tail", "-n", String(lines), ...(follow ? ["-F"] : []), path];
}

function linesOf(text: string): number {
  if (/^\d{1,7}$/.test(text)) return Number(text);
  throw new MyceliumError(
    "BAD_ARGUMENT",
    `Cannot show the log: found --lines "${text}", needed a number`,
  );
}
