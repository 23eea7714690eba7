/** Log lines to a writer: JSON for machines (one object a line), or text for people. */

import type { Clock, LogFields, Logger, LogLevel } from "../../ports/index.ts";

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

export interface LineLoggerOptions {
  readonly clock: Clock;
  readonly level: LogLevel;
  readonly format: "json" | "text";
  readonly write: (line: string) => void;
}

export class LineLogger implements Logger {
  readonly #options: LineLoggerOptions;
  readonly #fields: LogFields;

  constructor(options: LineLoggerOptions, fields: LogFields = {}) {
    this.#options = options;
    this.#fields = fields;
  }

  debug(message: string, fields?: LogFields): void {
    this.#log("debug", message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#log("info", message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#log("warn", message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#log("error", message, fields);
  }

  with(fields: LogFields): Logger {
    return new LineLogger(this.#options, { ...this.#fields, ...fields });
  }

  #log(level: LogLevel, message: string, fields: LogFields = {}): void {
    const { clock, format, write } = this.#options;
    if (RANK[level] < RANK[this.#options.level]) return;
    const time = new Date(clock.wallMs()).toISOString();
    const all = { ...this.#fields, ...fields };
    if (format === "json") {
      write(`${JSON.stringify({ time, level, message, ...all })}\n`);
      return;
    }
    const shown = Object.entries(all)
      .filter(([, value]) => value !== undefined)
      .map(
        ([name, value]) => ` ${name}=${typeof value === "string" ? JSON.stringify(value) : value}`,
      );
    write(`${time} ${level.padEnd(5)} ${message}${shown.join("")}\n`);
  }
}
