/** What a line means: statements go to the database, lines that begin with a point to the shell itself. */

import { createReadStream } from "node:fs";
import { errorCodeOf, messageOf } from "../../base/index.ts";
import { formatResult, RESULT_FORMATS, type ResultFormat } from "./format-result.ts";
import { linesOf } from "./lines.ts";
import { SqlRefusal, type SqlSession } from "./session.ts";
import { StatementBuffer } from "./statement-buffer.ts";
import type { TextOutput } from "./text-output.ts";

const HELP = `.help              this text
.mode FORMAT       show results as ${RESULT_FORMATS.join(", ")}
.quit              leave (also Ctrl-D)
.read FILE         run the statements of a file
.schema [TABLE]    show how tables were made
.tables            list tables and views
Statements end with ; and may span lines. Ctrl-C drops what was typed.
BEGIN opens a transaction that stays open until COMMIT or ROLLBACK.
`;

const USER_OBJECTS =
  "name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_mycelium\\_%' ESCAPE '\\'";
const TABLES = `SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND ${USER_OBJECTS} ORDER BY name`;

const SCRIPT_DEPTH_MAX = 16;

export interface ShellOptions {
  readonly session: SqlSession;
  readonly output: TextOutput;
  readonly errorOutput: TextOutput;
  readonly format: ResultFormat;
  /** A person is typing: tell how many rows a statement changed, and go on when the agent is out of reach. */
  readonly isInteractive: boolean;
  /** Says which statement of a script failed. */
  readonly numbersStatements: boolean;
}

/** What the next line should do. */
export type Verdict = "go on" | "failed" | "quit";

export class Shell {
  readonly #options: ShellOptions;
  readonly #buffer = new StatementBuffer();
  #format: ResultFormat;
  #statementCount = 0;
  #scriptDepth = 0;

  constructor(options: ShellOptions) {
    this.#options = options;
    this.#format = options.format;
  }

  /** Whether a statement was begun and not ended. */
  get isWaiting(): boolean {
    return !this.#buffer.isEmpty;
  }

  /** Drops what was typed of a statement. */
  drop(): void {
    this.#buffer.clear();
  }

  async line(line: string, signal?: AbortSignal): Promise<Verdict> {
    if (this.#buffer.isEmpty && line.startsWith(".")) return await this.#command(line, signal);
    return await this.#runAll(this.#buffer.add(line), signal);
  }

  /** Runs what is left without a semicolon. */
  async finish(signal?: AbortSignal): Promise<Verdict> {
    return await this.#runAll(this.#buffer.finish(), signal);
  }

  /** All lines; stops at the first failure. */
  async script(lines: AsyncIterable<string>, signal?: AbortSignal): Promise<Verdict> {
    const countBefore = this.#statementCount;
    this.#statementCount = 0;
    this.#scriptDepth++;
    const verdict = await this.#scriptLines(lines, signal);
    this.drop();
    this.#statementCount = countBefore;
    this.#scriptDepth--;
    return verdict;
  }

  async #scriptLines(lines: AsyncIterable<string>, signal?: AbortSignal): Promise<Verdict> {
    for await (const line of lines) {
      const verdict = await this.line(line, signal);
      if (verdict !== "go on" || this.#options.output.isClosed) return verdict;
    }
    return await this.finish(signal);
  }

  async #runAll(statements: readonly string[], signal?: AbortSignal): Promise<Verdict> {
    for (const statement of statements) {
      this.#statementCount++;
      if (!(await this.#run(statement, signal))) return "failed";
    }
    return "go on";
  }

  async #run(sql: string, signal?: AbortSignal): Promise<boolean> {
    const { session, output, isInteractive } = this.#options;
    try {
      const result = await session.execute(sql, signal);
      await output.write(formatResult(result, this.#format));
      const { affectedRowCount: count } = result;
      if (isInteractive && result.columns.length === 0) {
        await output.write(
          count === 0 ? "OK\n" : `OK, ${count} row${count === 1 ? "" : "s"} changed\n`,
        );
      }
      return true;
    } catch (error) {
      await this.#fail(error, signal);
      return false;
    }
  }

  async #command(line: string, signal?: AbortSignal): Promise<Verdict> {
    const [name = "", ...words] = line.trim().split(/\s+/);
    const argument = words.join(" ");
    switch (name) {
      case ".quit":
      case ".exit":
        return "quit";
      case ".help":
        await this.#options.output.write(HELP);
        return "go on";
      case ".mode":
        return await this.#setMode(argument);
      case ".tables":
        return (await this.#names(TABLES, signal)) ? "go on" : "failed";
      case ".schema":
        return (await this.#names(schemaQuery(argument), signal)) ? "go on" : "failed";
      case ".read":
        return await this.#read(argument, signal);
      default:
        await this.#tell(`Error: there is no command ${name}; .help lists them`);
        return "failed";
    }
  }

  async #setMode(argument: string): Promise<Verdict> {
    const format = RESULT_FORMATS.find((candidate) => candidate === argument);
    if (format === undefined) {
      await this.#tell(`Error: found .mode ${argument}, needed ${RESULT_FORMATS.join(", ")}`);
      return "failed";
    }
    this.#format = format;
    return "go on";
  }

  /** The first column of a query, one value a line. */
  async #names(sql: string, signal?: AbortSignal): Promise<boolean> {
    try {
      const { rows } = await this.#options.session.execute(sql, signal);
      for (const row of rows) await this.#options.output.write(`${row[0]}\n`);
      return true;
    } catch (error) {
      await this.#fail(error, signal);
      return false;
    }
  }

  async #read(path: string, signal?: AbortSignal): Promise<Verdict> {
    if (path === "") {
      await this.#tell("Error: found .read without a file, needed .read FILE");
      return "failed";
    }
    if (this.#scriptDepth >= SCRIPT_DEPTH_MAX) {
      await this.#tell(`Error: cannot read ${path}: files read files ${SCRIPT_DEPTH_MAX} deep`);
      return "failed";
    }
    try {
      const verdict = await this.script(linesOf(createReadStream(path)), signal);
      return verdict === "quit" ? "go on" : verdict;
    } catch (error) {
      if (!(error instanceof Error && "syscall" in error)) throw error;
      await this.#tell(`Error: cannot read ${path}: ${messageOf(error)}`);
      return "failed";
    }
  }

  /** Tells of an expected failure; throws on what is a bug, and for a script on what concerns all of it. */
  #fail(error: unknown, signal: AbortSignal | undefined): Promise<void> {
    if (error instanceof SqlRefusal) {
      const isNumbered = this.#scriptDepth > 0 && this.#options.numbersStatements;
      const where = isNumbered ? ` in statement ${this.#statementCount}` : "";
      return this.#tell(`Error${where}: ${error.message} (${error.code})`);
    }
    if (signal?.aborted) return this.#tell("Cancelled: the statement may still be applied");
    const code = errorCodeOf(error);
    if (code === undefined || !this.#options.isInteractive) throw error;
    return this.#tell(`Error: ${messageOf(error)} (${code})`);
  }

  #tell(text: string): Promise<void> {
    return this.#options.errorOutput.write(`${text}\n`);
  }
}

function schemaQuery(table: string): string {
  const quoted = table.replaceAll("'", "''");
  const wanted = table === "" ? USER_OBJECTS : `tbl_name = '${quoted}' COLLATE NOCASE`;
  return `SELECT sql || ';' FROM sqlite_schema WHERE sql IS NOT NULL AND ${wanted} ORDER BY tbl_name, type DESC, name`;
}
