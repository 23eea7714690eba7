/**
 * The shell on a terminal: line editing and history by node:readline, one line at a time. Ctrl-C drops the line or
 * cancels what runs; Ctrl-D ends.
 */

import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { HISTORY_COUNT_MAX, readHistory, writeHistory } from "./history.ts";
import type { SqlSession } from "./session.ts";
import type { Shell } from "./shell.ts";

export interface InteractiveOptions {
  readonly shell: Shell;
  readonly session: SqlSession;
  readonly input: Readable;
  readonly output: Writable;
  /** False for a terminal that cannot edit lines (and for tests). */
  readonly editsLines: boolean;
  readonly historyFile: string;
}

const GREETING = "Mycelium SQL. Statements end with ; and .help lists the commands.\n";

export async function runInteractive(options: InteractiveOptions): Promise<void> {
  const { input, output, historyFile, editsLines } = options;
  const typed = readHistory(historyFile);
  const reader = createInterface({
    input,
    output,
    terminal: editsLines,
    history: [...typed],
    historySize: HISTORY_COUNT_MAX,
    removeHistoryDuplicates: true,
  });
  output.write(GREETING);
  await new InteractiveLoop(options, reader, typed).run();
  writeHistory(historyFile, typed);
}

class InteractiveLoop {
  readonly #options: InteractiveOptions;
  readonly #reader: Interface;
  /** Newest first. */
  readonly #typed: string[];
  #running: AbortController | null = null;
  #work: Promise<void> = Promise.resolve();
  #hasQuit = false;
  #isClosed = false;

  constructor(options: InteractiveOptions, reader: Interface, typed: string[]) {
    this.#options = options;
    this.#reader = reader;
    this.#typed = typed;
  }

  /** Until the input ends or the user quits. Rejects on a bug. */
  async run(): Promise<void> {
    const ended = Promise.withResolvers<void>();
    this.#reader.on("close", () => {
      this.#isClosed = true;
      ended.resolve();
    });
    this.#reader.on("SIGINT", () => this.#interrupt());
    this.#reader.on("line", (line) => {
      this.#work = this.#work.then(() => this.#take(line));
      this.#work.catch((error: unknown) => {
        ended.reject(error);
        this.#reader.close();
      });
    });
    this.#prompt();
    await ended.promise;
    await this.#work;
    if (!this.#hasQuit) this.#options.output.write("\n");
  }

  async #take(line: string): Promise<void> {
    if (line.trim() !== "" && line !== this.#typed[0]) this.#typed.unshift(line);
    this.#running = new AbortController();
    const verdict = await this.#options.shell.line(line, this.#running.signal);
    this.#running = null;
    this.#hasQuit = verdict === "quit";
    if (this.#hasQuit) this.#reader.close();
    else this.#prompt();
  }

  #interrupt(): void {
    if (this.#running !== null) {
      this.#running.abort();
      return;
    }
    this.#options.shell.drop();
    // Both halves of the line that is being edited.
    this.#reader.write(null, { ctrl: true, name: "k" });
    this.#reader.write(null, { ctrl: true, name: "u" });
    this.#options.output.write("\n");
    this.#prompt();
  }

  #prompt(): void {
    if (this.#isClosed) return;
    const { shell, session } = this.#options;
    const ready = session.inTransaction ? "mycelium*> " : "mycelium> ";
    this.#reader.setPrompt(shell.isWaiting ? "     ...> " : ready);
    this.#reader.prompt();
  }
}
