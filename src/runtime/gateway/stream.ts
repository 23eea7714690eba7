/**
 * One Hrana stream: its stored SQL and its interactive transaction, if it has one. Requests of a stream never
 * overlap.
 *
 * A transaction that was lost (it timed out, or its leader did) leaves the stream in a failed state, in which
 * statements are refused until the client ends the transaction: otherwise what it sends next would be applied
 * outside of the transaction it believes to be in.
 */

import { assert, MyceliumError, messageOf } from "../../base/index.ts";
import type { SqlRef } from "../../domain/hrana/index.ts";
import {
  type Program,
  type ProgramResult,
  type StepOutcome,
  validateProgram,
} from "../../domain/sql/index.ts";
import type { Consistency, SqlService, SqlTransaction } from "../../ports/index.ts";
import type { GatewayRole } from "./authorization.ts";
import type { GatewayLimits } from "./options.ts";
import { nextSegment, type Segment, type StatementKind, subprogram } from "./plan.ts";
import { RequestFailure } from "./refusal.ts";
import type { RequestIds } from "./request-ids.ts";

/** What one HTTP request brings to all programs it runs. */
export interface Call {
  readonly consistency: Consistency;
  readonly ids: RequestIds;
}

/** Room for streams with state; `take` throws RequestFailure when there is none. */
export interface StreamRoom {
  take(): void;
  giveBack(): void;
}

interface OpenTransaction {
  readonly handle: SqlTransaction;
  readonly deadlineMs: number;
}

const ENDED: StepOutcome = {
  ok: true,
  result: { columns: [], rows: [], affectedRowCount: 0, lastInsertRowid: null },
};

export class SqlStream {
  readonly role: GatewayRole;
  readonly #sql: SqlService;
  readonly #limits: GatewayLimits;
  readonly #room: StreamRoom;
  readonly #stored = new Map<number, string>();
  #storedLength = 0;
  #transaction: OpenTransaction | null = null;
  /** Why the transaction was lost, until the client ends it. */
  #lost: string | null = null;
  #hasRoom = false;

  constructor(role: GatewayRole, sql: SqlService, limits: GatewayLimits, room: StreamRoom) {
    this.role = role;
    this.#sql = sql;
    this.#limits = limits;
    this.#room = room;
  }

  get isAutocommit(): boolean {
    return this.#transaction === null && this.#lost === null;
  }

  /** Whether it must be kept between requests. */
  get hasState(): boolean {
    return !this.isAutocommit || this.#stored.size > 0;
  }

  /** Throws RequestFailure when the id is taken or the limits are reached. */
  storeSql(id: number, sql: string): void {
    if (this.#stored.has(id)) {
      throw new RequestFailure("SQL_STORE_EXISTS", `Cannot store SQL: the id ${id} is in use`);
    }
    const { storedSqlCountMax, storedSqlLengthMax } = this.#limits;
    const fits = this.#storedLength + sql.length <= storedSqlLengthMax;
    if (this.#stored.size >= storedSqlCountMax || !fits) {
      throw new RequestFailure(
        "SQL_STORE_TOO_LARGE",
        `Cannot store SQL: a stream holds at most ${storedSqlCountMax} texts and ${storedSqlLengthMax} characters; close some`,
      );
    }
    this.#takeRoom();
    this.#stored.set(id, sql);
    this.#storedLength += sql.length;
  }

  closeSql(id: number): void {
    this.#storedLength -= this.#stored.get(id)?.length ?? 0;
    this.#stored.delete(id);
  }

  /** The text; throws RequestFailure when the id is not stored. */
  sqlOf(ref: SqlRef): string {
    if ("sql" in ref) return ref.sql;
    const sql = this.#stored.get(ref.sqlId);
    if (sql !== undefined) return sql;
    throw new RequestFailure("SQL_NOT_FOUND", `Cannot run SQL: no text is stored as ${ref.sqlId}`);
  }

  /** Runs a program where it belongs. Rejects with RequestFailure or the service's errors. */
  async run(program: Program, kinds: readonly StatementKind[], call: Call): Promise<ProgramResult> {
    validateProgram(program);
    const outcomes = this.#lost === null ? [] : this.#afterLoss(kinds, this.#lost);
    let mayTry = true;
    while (outcomes.length < program.steps.length) {
      const from = outcomes.length;
      const segment = nextSegment(program, kinds, from, this.#transaction !== null, mayTry);
      const part = subprogram(program, from, segment.to, outcomes);
      const partKinds = part === program ? kinds : kinds.slice(from, segment.to);
      const { steps, autocommit } = await this.#runSegment(segment, part, partKinds, call);
      mayTry = segment.via !== "attempt" || autocommit;
      if (!mayTry) continue;
      if (steps.length === program.steps.length) return { steps, autocommit: this.isAutocommit };
      outcomes.push(...steps);
    }
    return { steps: outcomes, autocommit: this.isAutocommit };
  }

  /** Rolls back what is open and forgets what is stored. Rejects only on a bug. */
  async close(): Promise<void> {
    const transaction = this.#transaction;
    this.#transaction = null;
    this.#lost = null;
    this.#stored.clear();
    this.#storedLength = 0;
    this.giveRoomBack();
    if (transaction !== null) await closeTransaction(transaction.handle);
  }

  /** Call when a request is over: a stream without state takes no room. */
  giveRoomBack(): void {
    if (!this.#hasRoom || this.hasState) return;
    this.#hasRoom = false;
    this.#room.giveBack();
  }

  async #runSegment(
    segment: Segment,
    part: Program,
    kinds: readonly StatementKind[],
    call: Call,
  ): Promise<ProgramResult> {
    switch (segment.via) {
      case "begin":
        await this.#begin(segment.mode);
        return await this.#step(part, kinds);
      case "step":
        return await this.#step(part, kinds);
      case "read":
        return await this.#runAtOnce("read", part, kinds, call);
      case "write":
      case "attempt":
        return await this.#runAtOnce("write", part, kinds, call);
    }
  }

  async #runAtOnce(
    via: "read" | "write",
    part: Program,
    kinds: readonly StatementKind[],
    call: Call,
  ): Promise<ProgramResult> {
    const stray = strayControl(part, kinds);
    if (stray !== null) return stray;
    if (via === "read") {
      const { readDeadlineMs } = this.#limits;
      const { consistency } = call;
      const options = { role: this.role, consistency, deadlineMs: readDeadlineMs };
      return await this.#sql.read(part, options);
    }
    this.#demandWriter();
    return await this.#sql.write({ id: call.ids.next(), role: this.role, program: part });
  }

  async #begin(wanted: "read" | "deferred" | "write"): Promise<void> {
    if (wanted === "write") this.#demandWriter();
    // A deferred transaction may come to write, and then must not find its reads outdated.
    const mode = wanted === "read" || this.role === "read" ? "read" : "write";
    const { readDeadlineMs, writeDeadlineMs } = this.#limits;
    this.#takeRoom();
    const handle = await this.#sql.begin(mode, this.role);
    const deadlineMs = mode === "read" ? readDeadlineMs : writeDeadlineMs;
    this.#transaction = { handle, deadlineMs };
  }

  async #step(part: Program, kinds: readonly StatementKind[]): Promise<ProgramResult> {
    const transaction = this.#transaction;
    assert(transaction !== null, "a step belongs to a transaction");
    try {
      const result = await transaction.handle.step(part, transaction.deadlineMs);
      if (!result.autocommit) return result;
      this.#transaction = null;
      this.#lost = reasonOfLoss(result, kinds);
      return result;
    } catch (error) {
      if (!(error instanceof MyceliumError)) throw error;
      this.#transaction = null;
      // Behind a COMMIT the client knows that the transaction is over, whatever became of it.
      if (!kinds.some(({ type }) => type === "commit")) this.#lost = messageOf(error);
      await closeTransaction(transaction.handle);
      throw error;
    }
  }

  /** In the failed state: ROLLBACK ends it well, COMMIT ends it with the reason, all else is refused. */
  #afterLoss(kinds: readonly StatementKind[], reason: string): StepOutcome[] {
    const first = kinds[0]?.type;
    if (first === "rollback" || first === "commit") this.#lost = null;
    if (first === "rollback") return [ENDED];
    throw new RequestFailure(
      "TRANSACTION_CLOSED",
      `Cannot run this: its transaction is over; send ROLLBACK and begin again (${reason})`,
    );
  }

  #demandWriter(): void {
    if (this.role === "write") return;
    throw new RequestFailure(
      "SQLITE_READONLY",
      "attempt to write a readonly database: this token may only read; make one with `mycelium token create --sql rw`",
    );
  }

  #takeRoom(): void {
    if (this.#hasRoom) return;
    this.#room.take();
    this.#hasRoom = true;
  }
}

/** The answer to COMMIT or ROLLBACK where no transaction is open, as SQLite words it. */
function strayControl(part: Program, kinds: readonly StatementKind[]): ProgramResult | null {
  const first = kinds[0]?.type;
  if (part.steps.length !== 1 || (first !== "commit" && first !== "rollback")) return null;
  if (part.steps[0]?.condition !== null) return null;
  const message = `cannot ${first} - no transaction is active`;
  const error = { code: "SQLITE_ERROR", extendedCode: 1, message };
  return { steps: [{ ok: false, error }], autocommit: true };
}

/**
 * Why a transaction ended that the client did not end: a deadline, a full disk, RAISE(ROLLBACK). Null when it did, or
 * when its BEGIN did not run.
 */
function reasonOfLoss(result: ProgramResult, kinds: readonly StatementKind[]): string | null {
  let reason: string | null = null;
  for (const [i, outcome] of result.steps.entries()) {
    const type = kinds[i]?.type;
    const isEnd = type === "commit" || type === "rollback" || type === "release";
    if (isEnd && outcome?.ok === true) return null;
    if (type === "begin" && outcome?.ok !== true) return null;
    if (outcome?.ok === false) reason = outcome.error.message;
  }
  return reason;
}

async function closeTransaction(handle: SqlTransaction): Promise<void> {
  try {
    await handle.close();
  } catch (error) {
    // A leader out of reach rolls back by itself, because nobody uses the transaction any more.
    if (!(error instanceof MyceliumError)) throw error;
  }
}
