/** The native guard of one connection as typed calls (see native/guard.c). */

import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { BatchContext } from "../../domain/replication/index.ts";

export interface RequestCounts {
  readonly changes: number;
  readonly totalChanges: number;
  readonly lastInsertRowid: bigint;
}

export class Guard {
  readonly #pin: Call;
  readonly #request: Call;
  readonly #resume: Call;
  readonly #unpin: Call;
  readonly #deadline: Call;
  readonly #counts: Call;
  readonly #usedRandom: Call;
  readonly #deferredKeys: Call;
  readonly #foreignKeys: Call;

  /** The authorizer must allow the guard's functions while this runs. */
  constructor(db: DatabaseSync) {
    this.#pin = prepareCall(db, "SELECT mycelium_pin(?, ?)");
    this.#request = prepareCall(db, "SELECT mycelium_request(?)");
    this.#resume = prepareCall(db, "SELECT mycelium_resume()");
    this.#unpin = prepareCall(db, "SELECT mycelium_unpin()");
    this.#deadline = prepareCall(db, "SELECT mycelium_deadline(?)");
    this.#counts = prepareCall(db, "SELECT changes(), total_changes(), last_insert_rowid()");
    this.#usedRandom = prepareCall(db, "SELECT mycelium_used_random()");
    this.#deferredKeys = prepareCall(db, "SELECT mycelium_deferred_keys()");
    this.#foreignKeys = prepareCall(db, "SELECT mycelium_foreign_keys(?)");
  }

  pin(context: BatchContext): void {
    this.#pin(BigInt(context.timeMs), context.seed);
  }

  /** `ordinal` counts the batch's requests that had an effect, from 0. */
  startRequest(ordinal: number): void {
    this.#request(BigInt(ordinal));
  }

  resume(): void {
    this.#resume();
  }

  unpin(): void {
    this.#unpin();
  }

  /** Statements fail with SQLITE_INTERRUPT `timeoutMs` from now; 0 lifts it. */
  setDeadline(timeoutMs: number): void {
    this.#deadline(BigInt(Math.ceil(timeoutMs)));
  }

  counts(): RequestCounts {
    const [changes, totalChanges, lastInsertRowid] = this.#counts();
    return {
      changes: Number(changes),
      totalChanges: Number(totalChanges),
      lastInsertRowid: lastInsertRowid as bigint,
    };
  }

  usedRandom(): boolean {
    return this.#usedRandom()[0] !== 0n;
  }

  hasDeferredViolations(): boolean {
    return this.#deferredKeys()[0] !== 0n;
  }

  setForeignKeys(on: boolean): void {
    this.#foreignKeys(on ? 1n : 0n);
  }
}

type Call = (...args: SQLInputValue[]) => readonly unknown[];

function prepareCall(db: DatabaseSync, sql: string): Call {
  const statement = db.prepare(sql);
  return (...args) => statement.get(...args) as unknown as readonly unknown[];
}
