/**
 * The engine for shards that need SQL: SQLite in memory, its whole file as one value of the shard's state, so that
 * overlays, digests, snapshots and power cuts are those of any other value. For databases of some kilobytes.
 */

import { Database, type SQLQueryBindings } from "bun:sqlite";
import type {
  Condition,
  Program,
  ProgramResult,
  Statement,
  StepOutcome,
} from "../../domain/sql/index.ts";
import {
  type Engine,
  type EngineSession,
  type Environment,
  holds,
  Overlay,
  type Readable,
} from "./engine.ts";

/** In a table of its own, for the check of tables. */
const FILE_KEY = "sql/file";
/** Small pages keep the file small. */
const PAGE_SIZE_BYTES = 512;

export const SQL_ENGINE: Engine = {
  needsOwnTransaction: ({ steps }) =>
    steps.some(({ statement }) => /^\s*(create|drop|alter)\s/i.test(statement.sql)),
  session: (below, environment) => new SqlSession(below, environment),
};

class SqlSession implements EngineSession {
  readonly root: Overlay;
  readonly #environment: Environment;
  readonly #database: Database;
  #file: string;
  #changeCount = 0;

  constructor(below: Readable, environment: Environment) {
    this.root = new Overlay(below);
    this.#environment = environment;
    this.#file = below.get(FILE_KEY) ?? emptyFile();
    this.#database = Database.deserialize(Buffer.from(this.#file, "base64"), {
      safeIntegers: true,
    });
  }

  get changeCount(): number {
    return this.#changeCount;
  }

  get isOpen(): boolean {
    return this.#database.inTransaction;
  }

  runWhole(program: Program): ProgramResult {
    const result = this.run(program);
    this.#database.close();
    return result;
  }

  run(program: Program): ProgramResult {
    const steps: StepOutcome[] = [];
    for (const { statement, condition } of program.steps) {
      steps.push(this.#isWanted(condition, steps) ? this.#execute(statement) : null);
    }
    const autocommit = !this.isOpen;
    if (autocommit) this.#keep();
    return { steps, autocommit };
  }

  #isWanted(condition: Condition | null, steps: readonly StepOutcome[]): boolean {
    return condition === null || holds(condition, steps, () => !this.isOpen);
  }

  #execute({ args, sql }: Statement): StepOutcome {
    if (isWrite(sql)) {
      const { isFull, isReadOnly } = this.#environment;
      if (isReadOnly) return failure("SQLITE_READONLY", 8, "attempt to write a readonly database");
      if (isFull) return failure("SQLITE_FULL", 13, "database or disk is full");
    }
    try {
      const rows = this.#database.query(sql).values(...(args as SQLQueryBindings[]));
      const affectedRowCount = isWrite(sql) ? this.#changes() : 0;
      this.#changeCount += affectedRowCount;
      const result = {
        columns: [],
        rows: rows as never[],
        affectedRowCount,
        lastInsertRowid: null,
      };
      return { ok: true, result };
    } catch (error) {
      const { code = "SQLITE_ERROR", errno = 1, message } = error as SqliteFailure;
      return failure(code, errno, message);
    }
  }

  #changes(): number {
    return Number(this.#database.query("SELECT changes()").values()[0]?.[0] ?? 0);
  }

  #keep(): void {
    const file = this.#database.serialize().toString("base64");
    if (file === this.#file) return;
    this.#file = file;
    this.root.changes.set(FILE_KEY, file);
  }
}

interface SqliteFailure {
  readonly code?: string;
  readonly errno?: number;
  readonly message: string;
}

function isWrite(sql: string): boolean {
  return !/^\s*(select|begin|commit|rollback)\b/i.test(sql);
}

function emptyFile(): string {
  const database = new Database(":memory:");
  database.run(`PRAGMA page_size = ${PAGE_SIZE_BYTES}`);
  database.run("VACUUM");
  const file = database.serialize().toString("base64");
  database.close();
  return file;
}

function failure(code: string, extendedCode: number, message: string): StepOutcome {
  return { ok: false, error: { code, extendedCode, message } };
}
