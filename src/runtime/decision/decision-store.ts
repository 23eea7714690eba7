/**
 * The log of decisions in shard `system`: one table to which signed statements are only added, in the order and with
 * the time that the log gives them.
 */

import type { RequestId } from "../../base/index.ts";
import type { SignedPart } from "../../domain/identity/index.ts";
import {
  atomicProgram,
  blobOf,
  changedRows,
  numberOf,
  type Program,
  type ProgramResult,
  plainProgram,
  rowsOf,
  statement,
  succeeded,
} from "../../domain/sql/index.ts";
import type { LoggedStatement } from "../../domain/trust/index.ts";
import type { SqlService } from "../../ports/index.ts";

const TABLE = `CREATE TABLE IF NOT EXISTS _mycelium_decisions (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  operation INTEGER NOT NULL,
  author TEXT NOT NULL,
  type TEXT NOT NULL,
  payload BLOB NOT NULL,
  signature BLOB NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT`;
/** The leader pins it; every replica has the same. */
const LOG_TIME_MS = "CAST(unixepoch('subsec') * 1000 + 0.5 AS INTEGER)";
const INSERT = `INSERT INTO _mycelium_decisions (operation, author, type, payload, signature, at_ms)
  SELECT ?1, ?2, ?3, ?4, ?5, ${LOG_TIME_MS}`;
/** Of one author, type and operation; more are noise. */
const SAME_MAX = 64n;
const PAGE_ROWS = 500n;
/** Closed operations before these are forgotten; their certificates are with what they decided. */
const OPERATIONS_KEPT = 32n;

/** What a row is found by, besides what is signed. */
export interface StatementRow {
  readonly operation: number;
  readonly author: string;
  readonly type: string;
  readonly part: SignedPart;
}

export interface SequencedStatement extends LoggedStatement {
  readonly seq: number;
}

export interface DecisionStoreOptions {
  readonly sql: SqlService;
  readonly newRequestId: () => RequestId;
  readonly readDeadlineMs: number;
}

export class DecisionStore {
  readonly #options: DecisionStoreOptions;

  constructor(options: DecisionStoreOptions) {
    this.#options = options;
  }

  /** Harmless when it is there. */
  async makeTable(): Promise<void> {
    await this.#write(atomicProgram(statement(TABLE)), true);
  }

  /** What came after `seq`, in the log's order, a page of it; null while there is no table. `strong`: all of it that there is. */
  async after(
    seq: number,
    level: "local" | "strong" = "local",
  ): Promise<readonly SequencedStatement[] | null> {
    const result = await this.#options.sql.read(
      plainProgram(
        statement("SELECT count(*) FROM sqlite_schema WHERE name = '_mycelium_decisions'"),
        statement(
          `SELECT seq, payload, signature, at_ms FROM _mycelium_decisions
           WHERE seq > ?1 ORDER BY seq LIMIT ?2`,
          BigInt(seq),
          PAGE_ROWS,
        ),
      ),
      {
        role: "system",
        consistency: { level },
        deadlineMs: this.#options.readDeadlineMs,
      },
    );
    if (numberOf(rowsOf(result, 0, WHAT)[0]?.[0]) === 0) return null;
    return rowsOf(result, 1, WHAT).map(([number, payload, signature, at]) => ({
      seq: numberOf(number),
      part: { payload: blobOf(payload), signature: blobOf(signature) },
      atMs: numberOf(at),
    }));
  }

  /** Adds a statement unless the very same is there. */
  async add({ operation, author, type, part }: StatementRow): Promise<void> {
    const same = "operation = ?1 AND author = ?2 AND type = ?3";
    const isOnce = type === "commit" || type === "reveal" ? "AND payload = ?4" : "";
    const sql = `${INSERT} WHERE (SELECT count(*) FROM _mycelium_decisions WHERE ${same} ${isOnce}) < ?6`;
    const countMax = isOnce === "" ? SAME_MAX : 1n;
    const { payload, signature } = part;
    const args = [BigInt(operation), author, type, payload, signature, countMax] as const;
    await this.#write(plainProgram(statement(sql, ...args)), false);
  }

  /** Puts an entry into the log that leaves all as it was: one that touches no row would not be logged. */
  async touch(): Promise<void> {
    const sql = `UPDATE _mycelium_decisions SET type = type
      WHERE seq = (SELECT max(seq) FROM _mycelium_decisions)`;
    await this.#write(plainProgram(statement(sql)), false);
  }

  /** Adds an opening, and forgets what is long closed. False when its operation id is used already. */
  async open({ operation, author, type, part }: StatementRow): Promise<boolean> {
    const used = "EXISTS (SELECT 1 FROM _mycelium_decisions WHERE operation >= ?1)";
    const { payload, signature } = part;
    const number = BigInt(operation);
    const result = await this.#write(
      atomicProgram(
        statement(`${INSERT} WHERE NOT ${used}`, number, author, type, payload, signature),
        statement(
          "DELETE FROM _mycelium_decisions WHERE operation <= ?1",
          number - OPERATIONS_KEPT,
        ),
      ),
      true,
    );
    return changedRows(result, 1) > 0;
  }

  async #write(program: Program, atomic: boolean): Promise<ProgramResult> {
    const { sql, newRequestId } = this.#options;
    const result = await sql.write({ id: newRequestId(), role: "system", program });
    return succeeded(result, atomic, "record a vote");
  }
}

const WHAT = "the log of decisions";
