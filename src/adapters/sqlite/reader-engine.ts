/**
 * Reads of committed data: one connection for single programs, one more per open snapshot. Synchronous; runs in the
 * reader Worker beside the writer.
 */

import type { DatabaseSync } from "node:sqlite";
import { MyceliumError } from "../../base/index.ts";
import type { Program, ProgramResult } from "../../domain/sql/index.ts";
import type { QueryOptions } from "../../ports/index.ts";
import { openConnection } from "./connection.ts";
import { Gate } from "./gate.ts";
import { Guard } from "./guard.ts";
import { Marks } from "./marks.ts";
import { ProgramRunner, type RunnerParts } from "./program-runner.ts";
import { throwIfCorrupt } from "./sql-error.ts";
import { PlanCache, StatementCache } from "./statement-cache.ts";

export interface ReaderOptions {
  readonly path: string;
  readonly guardPath: string;
  readonly cacheSizeBytes: number;
}

export const SNAPSHOTS_MAX = 64;
const SNAPSHOT_CACHE_SIZE_BYTES = 256 * 1_024;

export class ReaderEngine {
  readonly #options: ReaderOptions;
  readonly #main: ReadConnection;
  readonly #plans = new PlanCache();
  readonly #snapshots = new Map<number, ReadConnection>();

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#main = new ReadConnection(options, this.#plans);
  }

  /** The whole program sees one state. */
  query(program: Program, options: QueryOptions): ProgramResult {
    if (options.snapshot === null) return this.#main.query(program, options);
    const connection = this.#snapshots.get(options.snapshot);
    if (connection === undefined) {
      throw new MyceliumError(
        "CLOSED",
        "Cannot read: found no such snapshot, it was closed; begin a new transaction",
      );
    }
    return connection.step(program, options);
  }

  /** `id` was never given before, by an earlier reader of this file neither. Throws OVERLOADED. */
  openSnapshot(id: number): void {
    if (this.#snapshots.size >= SNAPSHOTS_MAX) {
      throw new MyceliumError(
        "OVERLOADED",
        `Cannot begin a read transaction: ${SNAPSHOTS_MAX} are open; end one or retry`,
      );
    }
    const options = { ...this.#options, cacheSizeBytes: SNAPSHOT_CACHE_SIZE_BYTES };
    const connection = new ReadConnection(options, this.#plans);
    connection.pinSnapshot();
    this.#snapshots.set(id, connection);
  }

  closeSnapshot(id: number): void {
    this.#snapshots.get(id)?.close();
    this.#snapshots.delete(id);
  }

  close(): void {
    for (const connection of this.#snapshots.values()) connection.close();
    this.#snapshots.clear();
    this.#main.close();
  }
}

class ReadConnection {
  readonly #db: DatabaseSync;
  readonly #parts: RunnerParts;
  readonly #schemaVersion: () => unknown;
  #knownSchema: unknown = null;
  #runner: ProgramRunner;

  constructor(options: ReaderOptions, plans: PlanCache) {
    const db = openConnection(options.path, { ...options, readOnly: true });
    this.#db = db;
    this.#parts = {
      db,
      gate: new Gate(db),
      guard: new Guard(db),
      marks: new Marks(db),
      cache: new StatementCache(db),
      plans,
    };
    const version = db.prepare("PRAGMA schema_version");
    this.#schemaVersion = () => (version.get() as unknown as [bigint])[0];
    this.#runner = new ProgramRunner(this.#parts);
  }

  query(program: Program, options: QueryOptions): ProgramResult {
    this.#db.exec("BEGIN");
    try {
      this.#refresh();
      const runner = new ProgramRunner(this.#parts);
      const steps = runner.run(program, options);
      runner.end();
      return { steps, autocommit: true };
    } finally {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
    }
  }

  pinSnapshot(): void {
    this.#db.exec("BEGIN");
    this.#refresh();
  }

  step(program: Program, options: QueryOptions): ProgramResult {
    const steps = this.#runner.run(program, options);
    return { steps, autocommit: this.#runner.autocommit };
  }

  close(): void {
    this.#db.close();
  }

  /** Starts the read, and forgets statements compiled for another schema. */
  #refresh(): void {
    try {
      const version = this.#schemaVersion();
      if (version === this.#knownSchema) return;
      this.#knownSchema = version;
      this.#parts.cache.clear();
      // Reading a table makes SQLite load the schema anew; to compile a statement alone does not.
      this.#db.prepare("SELECT 1 FROM _mycelium_position").get();
    } catch (error) {
      throwIfCorrupt(error);
      throw error;
    }
  }
}
