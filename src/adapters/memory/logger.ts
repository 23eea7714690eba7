/** Keeps the newest lines of a log in memory; a simulation shows them when it fails. */

import type { LogFields, Logger, LogLevel } from "../../ports/index.ts";

export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

export class MemoryLogger implements Logger {
  readonly #write: (line: LogLine) => void;
  readonly #fields: LogFields;

  constructor(write: (line: LogLine) => void, fields: LogFields = {}) {
    this.#write = write;
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
    return new MemoryLogger(this.#write, { ...this.#fields, ...fields });
  }

  #log(level: LogLevel, message: string, fields: LogFields = {}): void {
    this.#write({ level, message, fields: { ...this.#fields, ...fields } });
  }
}
