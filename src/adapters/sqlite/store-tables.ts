/**
 * The tables the engine keeps in each shard's file: its position in the log, and the results of applied requests,
 * kept for ten minutes (of the kept clock, see `keptClockMs`) so that a retry is applied once.
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { asLogIndex, asTerm, type LogIndex, MyceliumError } from "../../base/index.ts";
import { keptClockMs, RESULT_KEPT_MS, type Request } from "../../domain/replication/index.ts";
import {
  decodeProgramResult,
  encodeProgramResult,
  PackWriter,
  type ProgramResult,
  type StepOutcome,
  writeProgramResult,
} from "../../domain/sql/index.ts";
import type { ShardPosition, SnapshotMeta } from "../../ports/index.ts";
import { type Action, prepareAction } from "./action.ts";
import { SQLITE_TOOBIG, sqlError } from "./sql-error.ts";

/** Expired results removed per batch: more than a batch adds on average. */
const EXPIRED_PER_BATCH_MIN = 64;
/** Rows of a larger result are not kept. */
const RESULT_SIZE_MAX = 262_144;
const FORMAT = 1;

const CREATE = `
  CREATE TABLE IF NOT EXISTS _mycelium_position (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    format INTEGER NOT NULL,
    applied_index INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    installed_index INTEGER,
    installed_term INTEGER,
    installed_configuration BLOB
  );
  CREATE TABLE IF NOT EXISTS _mycelium_result (
    position INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    id TEXT NOT NULL,
    result BLOB NOT NULL
  );
  CREATE UNIQUE INDEX IF NOT EXISTS _mycelium_result_id ON _mycelium_result (id);
  INSERT OR IGNORE INTO _mycelium_position (one, format, applied_index, time_ms)
    VALUES (1, ${FORMAT}, 0, 0);
`;

/** Makes what is missing in a new file. Throws STATE_NEWER for a file of a later format. */
export function createStoreTables(db: DatabaseSync): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    db.exec(CREATE);
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
  const row = db.prepare("SELECT format FROM _mycelium_position").get() as unknown as [bigint];
  if (row[0] > BigInt(FORMAT)) {
    throw new MyceliumError(
      "STATE_NEWER",
      `Cannot open the database: found format ${row[0]}, needed at most ${FORMAT}; install a newer mycelium`,
    );
  }
}

type PositionRow = readonly [bigint, bigint, bigint | null, bigint | null, Uint8Array | null];

export function readPosition(db: DatabaseSync): ShardPosition {
  const [applied, time, index, term, configuration] = db
    .prepare(
      `SELECT applied_index, time_ms, installed_index, installed_term, installed_configuration
       FROM _mycelium_position`,
    )
    .get() as unknown as PositionRow;
  const installed: SnapshotMeta | null =
    index === null || term === null || configuration === null
      ? null
      : { index: asLogIndex(Number(index)), term: asTerm(Number(term)), configuration };
  return { appliedIndex: asLogIndex(Number(applied)), pinnedTimeMs: Number(time), installed };
}

export function writeInstalled(db: DatabaseSync, meta: SnapshotMeta): void {
  db.prepare(
    `UPDATE _mycelium_position
     SET applied_index = ?, installed_index = ?, installed_term = ?, installed_configuration = ?`,
  ).run(BigInt(meta.index), BigInt(meta.index), BigInt(meta.term), meta.configuration);
}

/** Of the batch before, of the oldest and the newest result. */
type TimesRow = readonly [bigint, bigint | null, bigint | null];

export class StoreTables {
  readonly #setPosition: Action;
  readonly #setIndex: Action;
  readonly #find: StatementSync;
  readonly #keep: Action;
  readonly #times: StatementSync;
  readonly #forget: Action;
  readonly #changeNothing: Action;

  constructor(db: DatabaseSync) {
    this.#setPosition = prepareAction(
      db,
      "UPDATE _mycelium_position SET applied_index = ?, time_ms = ?",
    );
    this.#setIndex = prepareAction(db, "UPDATE _mycelium_position SET applied_index = ?");
    this.#find = db.prepare("SELECT result FROM _mycelium_result WHERE id = ?");
    this.#keep = prepareAction(
      db,
      "INSERT OR REPLACE INTO _mycelium_result (time_ms, id, result) VALUES (?, ?, ?)",
    );
    this.#times = db.prepare(
      `SELECT time_ms,
         (SELECT time_ms FROM _mycelium_result ORDER BY position LIMIT 1),
         (SELECT time_ms FROM _mycelium_result ORDER BY position DESC LIMIT 1)
       FROM _mycelium_position`,
    );
    this.#changeNothing = prepareAction(db, "DELETE FROM _mycelium_result WHERE 0");
    this.#forget = prepareAction(
      db,
      `DELETE FROM _mycelium_result WHERE time_ms < ?1 AND position IN
       (SELECT position FROM _mycelium_result ORDER BY position LIMIT ?2)`,
    );
  }

  /** Makes changes() 0, as a request finds it: also what its first triggers see. */
  resetChanges(): void {
    this.#changeNothing();
  }

  setPosition(index: LogIndex, timeMs: number): void {
    this.#setPosition(BigInt(index), BigInt(timeMs));
  }

  setIndex(index: LogIndex): void {
    this.#setIndex(BigInt(index));
  }

  /** The result of a request that was applied before; null when it is not known (any more). */
  findResult(id: string): ProgramResult | null {
    const row = this.#find.get(id) as unknown as [Uint8Array] | undefined;
    return row === undefined ? null : decodeProgramResult(row[0]);
  }

  /**
   * Keeps the results of a batch and drops some that have expired: the same on every replica. `setPosition` has told
   * the time of the batch before, not yet that of this one.
   */
  keepResults(
    timeMs: number,
    results: readonly { readonly request: Request; readonly result: ProgramResult }[],
  ): void {
    const writer = new PackWriter();
    const [previous, oldest, newest] = this.#times.get() as unknown as TimesRow;
    const newestMs = newest === null ? null : Number(newest);
    const clockMs = keptClockMs(newestMs, Number(previous), timeMs);
    for (const { request, result } of results) {
      this.#keep(BigInt(clockMs), request.id, encodeKept(writer, result));
    }
    const expiryMs = BigInt(clockMs - RESULT_KEPT_MS);
    if (oldest === null || oldest >= expiryMs) return;
    this.#forget(expiryMs, BigInt(2 * results.length + EXPIRED_PER_BATCH_MIN));
  }
}

function encodeKept(writer: PackWriter, result: ProgramResult): Uint8Array {
  writer.reset();
  writeProgramResult(writer, result);
  if (writer.sizeBytes <= RESULT_SIZE_MAX) return writer.finish();
  return encodeProgramResult({ ...result, steps: result.steps.map(withoutRows) });
}

/** A retry learns that it was applied, and that its rows are gone: never an empty answer for a full one. */
function withoutRows(outcome: StepOutcome): StepOutcome {
  if (outcome === null || !outcome.ok || outcome.result.rows.length === 0) return outcome;
  const message =
    "the request was applied once before, but its rows were too many to keep: read them again";
  return { ok: false, error: sqlError(SQLITE_TOOBIG, message) };
}
