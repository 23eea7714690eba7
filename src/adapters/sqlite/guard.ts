/** The native guard of one connection as typed calls (see native/guard.c). */

import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { BatchContext } from "../../domain/replication/index.ts";

/** What the request under way has done so far. */
export interface Effects {
  /** Rows inserted, updated and deleted, by triggers too, also those undone since. */
  readonly changes: number;
  readonly usedRandom: boolean;
  readonly violatesKeys: boolean;
}

/** Of the last statement. */
export interface StatementCounts {
  readonly changes: number;
  readonly lastInsertRowid: bigint;
}

export class Guard {
  readonly #pin: Call;
  readonly #request: Call;
  readonly #resume: Call;
  readonly #unpin: Call;
  readonly #deadline: Call;
  readonly #counts: Call;
  readonly #effects: Call;
  readonly #foreignKeys: Call;

  /** The authorizer must allow the guard's functions while this runs. */
  constructor(db: DatabaseSync) {
    this.#pin = prepareCall(db, "SELECT mycelium_pin(?, ?)");
    this.#request = prepareCall(db, "SELECT mycelium_request(?)");
    this.#resume = prepareCall(db, "SELECT mycelium_resume()");
    this.#unpin = prepareCall(db, "SELECT mycelium_unpin()");
    this.#deadline = prepareCall(db, "SELECT mycelium_deadline(?)");
    this.#counts = prepareCall(db, "SELECT changes(), last_insert_rowid()");
    this.#effects = prepareCall(db, "SELECT mycelium_effects()");
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

  counts(): StatementCounts {
    const [changes, lastInsertRowid] = this.#counts();
    return { changes: Number(changes), lastInsertRowid: lastInsertRowid as bigint };
  }

  effects(): Effects {
    const packed = Number(this.#effects()[0]);
    return {
      changes: Math.floor(packed / 4),
      usedRandom: (packed & 2) !== 0,
      violatesKeys: (packed & 1) !== 0,
    };
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
