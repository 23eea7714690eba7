/** `mycelium sql`: a shell on a terminal, one statement, or a script from a pipe. */

import type { Readable, Writable } from "node:stream";
import type { ResultFormat } from "./format-result.ts";
import { defaultHistoryFile } from "./history.ts";
import { runInteractive } from "./interactive.ts";
import { linesOf } from "./lines.ts";
import { type HranaFetch, SqlSession } from "./session.ts";
import { Shell } from "./shell.ts";
import { TextOutput } from "./text-output.ts";

export interface SqlShellOptions {
  /** Reaches a gateway without a token: the agent's Unix socket. */
  readonly fetch: HranaFetch;
  readonly input: Readable;
  readonly output: Writable;
  readonly errorOutput: Writable;
  /** Input and output are a person's terminal. */
  readonly isTerminal: boolean;
  /** Run instead of a shell or script; may hold several statements. */
  readonly statement?: string;
  readonly format: ResultFormat;
  /** Default: in the user's home directory. */
  readonly historyFile?: string;
  /** Default true; false reads a terminal's lines without editing. */
  readonly editsLines?: boolean;
}

/**
 * Resolves with the exit status: 0, or 1 after a statement failed (in a shell: 0). Rejects with what `fetch` rejects
 * with, except in a shell, which tells it and goes on.
 */
export async function runSqlShell(options: SqlShellOptions): Promise<number> {
  const session = new SqlSession(options.fetch);
  const isShell = options.isTerminal && options.statement === undefined;
  const shell = new Shell({
    session,
    output: new TextOutput(options.output),
    errorOutput: new TextOutput(options.errorOutput),
    format: options.format,
    isInteractive: isShell,
    numbersStatements: options.statement === undefined,
  });
  try {
    return isShell ? await interact(options, shell, session) : await runScript(options, shell);
  } finally {
    await session.close();
  }
}

async function interact(
  options: SqlShellOptions,
  shell: Shell,
  session: SqlSession,
): Promise<number> {
  const { input, output, historyFile = defaultHistoryFile(), editsLines = true } = options;
  await runInteractive({ shell, session, input, output, historyFile, editsLines });
  return 0;
}

async function runScript({ statement, input }: SqlShellOptions, shell: Shell): Promise<number> {
  const lines = statement === undefined ? linesOf(input) : linesOf(asChunks(statement));
  return (await shell.script(lines)) === "failed" ? 1 : 0;
}

async function* asChunks(text: string): AsyncGenerator<string> {
  yield text;
}
