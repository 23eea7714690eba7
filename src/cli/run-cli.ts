/** The command line: finds the command, checks its arguments, runs it, and says what went wrong. */

import { InvariantError, MyceliumError, messageOf } from "../base/index.ts";
import { VERSION } from "../domain/api/index.ts";
import { nearestName } from "../domain/config/index.ts";
import type { Command } from "./command.ts";
import * as commands from "./commands/index.ts";
import { EXIT, exitCodeOf } from "./exit-code.ts";
import { helpText } from "./help.ts";
import { stateDirectoryOf, systemNodeHint } from "./state-directory.ts";
import { strictArguments } from "./strict-arguments.ts";
import { paint, type Terminal } from "./terminal.ts";

const PROGRAM = "mycelium";

const COMMANDS: readonly Command[] = [
  commands.initCommand,
  commands.joinCommand,
  commands.leaveCommand,
  commands.runCommand,
  commands.stopCommand,
  commands.statusCommand,
  commands.tokenCommand,
  commands.nodeCommand,
  commands.sqlCommand,
  commands.configCommand,
  commands.logsCommand,
  commands.doctorCommand,
  commands.updateCommand,
  commands.versionCommand,
  commands.completionCommand(() => COMMANDS),
];

const ROOT: Command = {
  name: PROGRAM,
  summary: `Mycelium ${VERSION}: a network of small machines that runs itself`,
  examples: [
    "mycelium init --network home     make a network",
    "mycelium run                     run this node",
    "mycelium token create            invite another machine",
    "mycelium join TOKEN              ... on which one types this",
    "mycelium status                  see how it is",
  ],
  args: {},
  subcommands: COMMANDS,
  execute: null,
};

interface Found {
  readonly command: Command;
  readonly path: string;
  readonly rest: string[];
}

/** Resolves with the exit status. Never rejects. */
export async function runCli(argv: readonly string[], terminal: Terminal): Promise<number> {
  const wantsJson = argv.includes("--json");
  try {
    return await dispatch(argv, terminal);
  } catch (error) {
    report(error, argv, wantsJson, terminal);
    return exitCodeOf(error);
  }
}

async function dispatch(argv: readonly string[], terminal: Terminal): Promise<number> {
  const [first, ...others] = argv;
  if (first === "--version" || first === "-v") return dispatch(["version", ...others], terminal);
  if (first === "help") return dispatch([...others, "--help"], terminal);
  const { command, path, rest } = find(argv);
  const flags = rest.includes("--") ? rest.slice(0, rest.indexOf("--")) : rest;
  if (flags.includes("--help") || flags.includes("-h")) {
    terminal.out(helpText(command, path, terminal.colour && terminal.isTerminal));
    return EXIT.ok;
  }
  if (command.execute === null) {
    const word = rest.find((one) => !one.startsWith("-"));
    if (word !== undefined) throw unknownCommand(word, command, path);
    strictArguments(rest, command.args, path);
    terminal.error(helpText(command, path, terminal.colour && terminal.isErrorTerminal));
    return EXIT.usage;
  }
  return command.execute(strictArguments(rest, command.args, path), { terminal, rawArgs: rest });
}

/** Follows command words from the front; a command's own words and flags come after it. */
function find(argv: readonly string[]): Found {
  let found: Found = { command: ROOT, path: PROGRAM, rest: [...argv] };
  for (;;) {
    const [word] = found.rest;
    const next = found.command.subcommands.find(({ name }) => name === word);
    if (next === undefined) return found;
    found = { command: next, path: `${found.path} ${next.name}`, rest: found.rest.slice(1) };
  }
}

function unknownCommand(word: string, command: Command, path: string): MyceliumError {
  const near = nearestName(
    word,
    command.subcommands.map(({ name }) => name),
  );
  const hint = near === null ? "" : ` (did you mean \`${path} ${near}\`?)`;
  return new MyceliumError(
    "BAD_ARGUMENT",
    `Cannot run ${path} ${word}: there is no such command${hint}. See \`${path} --help\`.`,
  );
}

function report(
  error: unknown,
  argv: readonly string[],
  wantsJson: boolean,
  terminal: Terminal,
): void {
  const isExpected = error instanceof MyceliumError;
  const code = isExpected ? error.code : "INTERNAL";
  const hint = code === "NOT_RUNNING" ? hintFor(argv, terminal) : "";
  const message = messageOf(error) + hint;
  if (wantsJson) {
    terminal.error(JSON.stringify({ error: { code, message } }));
    return;
  }
  const ink = paint(terminal.colour && terminal.isErrorTerminal);
  terminal.error(`${ink.red("error:")} ${message}`);
  if (isExpected) return;
  const kind =
    error instanceof InvariantError ? "An invariant broke" : "Something unforeseen failed";
  terminal.error(`${kind}: this is a bug of mycelium ${VERSION}.`);
  if (error instanceof Error && error.stack) terminal.error(error.stack);
}

function hintFor(argv: readonly string[], terminal: Terminal): string {
  const isChosen = argv.some((word) => word.startsWith("--state"));
  return isChosen ? "" : systemNodeHint(stateDirectoryOf(undefined, terminal));
}
