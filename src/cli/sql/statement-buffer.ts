/** Gathers lines until they make whole statements: those that end with a semicolon outside of texts and triggers. */

import { splitStatements, tokens } from "../../domain/sql/index.ts";

/** Stands behind the text: where it comes out as a statement of its own, the text before it was complete. */
const MARKER = "SELECT";

export class StatementBuffer {
  #lines: string[] = [];

  /** Whether an unfinished statement is waiting. */
  get isEmpty(): boolean {
    return this.#lines.length === 0;
  }

  /** Takes a line and returns the statements that are complete now. */
  add(line: string): readonly string[] {
    if (this.isEmpty && line.trim() === "") return [];
    this.#lines.push(line);
    // PERF: the text is cut only when a statement may have ended, not at each line of a long one.
    if (!line.includes(";")) return [];
    const pieces = splitStatements(`${this.#lines.join("\n")}\n${MARKER}`);
    const last = pieces.pop() ?? MARKER;
    const rest = last.slice(0, -MARKER.length).trimEnd();
    this.#lines = isBlank(rest) ? [] : [rest];
    return pieces;
  }

  /** The statement that is left without a semicolon, if there is one. */
  finish(): readonly string[] {
    const statements = splitStatements(this.#lines.join("\n"));
    this.#lines = [];
    return statements;
  }

  clear(): void {
    this.#lines = [];
  }
}

/** Comments and white space only. */
function isBlank(text: string): boolean {
  return tokens(text).next().done === true;
}
