/**
 * Runs programs inside a transaction that is not the client's: a statement outside of the client's own transaction
 * is made to fail and vanish alone, as it would in SQLite's autocommit mode. Source: Hrana 3 (batches).
 */

import type { DatabaseSync } from "node:sqlite";
import {
  type Condition,
  classifyPragma,
  type Program,
  type SqlError,
  type SqlRole,
  type SqlValue,
  type Statement,
  type StatementResult,
  type StepOutcome,
} from "../../domain/sql/index.ts";
import { ClientTransaction, foreignKeyError } from "./client-transaction.ts";
import type { Gate } from "./gate.ts";
import type { Guard } from "./guard.ts";
import type { Marks } from "./marks.ts";
import {
  SQLITE_CONSTRAINT_FOREIGNKEY,
  SQLITE_ERROR,
  SQLITE_FULL,
  SQLITE_INTERRUPT,
  SQLITE_IOERR,
  SQLITE_NOMEM,
  SQLITE_TOOBIG,
  sqlError,
  toSqlError,
} from "./sql-error.ts";
import {
  type BoundArguments,
  bindings,
  type PlanCache,
  type PreparedStatement,
  type StatementCache,
  type StatementPlan,
} from "./statement-cache.ts";

/** All rows of one program together; a longer answer fails with SQLITE_TOOBIG. */
const RESULT_SIZE_MAX = 32 * 1_048_576;
const VALUE_SIZE = 16;
/** All tables: the plain form chooses by what this connection happened to read, which differs between replicas. */
const OPTIMIZE_SQL = "PRAGMA optimize(0x10002)";

/** The store's transaction was ended by a statement (OR ROLLBACK, RAISE(ROLLBACK), a full disk, a deadline). */
export class TransactionLost {
  readonly step: number;
  readonly error: SqlError;

  constructor(step: number, error: SqlError) {
    this.step = step;
    this.error = error;
  }
}

export interface RunnerParts {
  readonly db: DatabaseSync;
  readonly gate: Gate;
  readonly guard: Guard;
  readonly marks: Marks;
  readonly cache: StatementCache;
  readonly plans: PlanCache;
}

export interface RunOptions {
  readonly role: SqlRole;
  /** Per statement; 0 for none. */
  readonly deadlineMs: number;
  /** Steps known to end the transaction: they are not run, but fail so and roll the client's transaction back. */
  readonly rollbacks?: ReadonlyMap<number, SqlError>;
}

/** One client's view of its transaction, from its first statement to its last. */
export class ProgramRunner {
  readonly #parts: RunnerParts;
  readonly #transaction: ClientTransaction;
  #sizeLeft = RESULT_SIZE_MAX;
  #schemaChanged = false;
  #localFailure: SqlError | null = null;
  #lastInsertRowid = 0n;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    this.#transaction = new ClientTransaction(parts, () => {
      if (this.#schemaChanged) parts.cache.clear();
    });
  }

  get autocommit(): boolean {
    return !this.#transaction.isOpen;
  }

  /** The last failure that rests on this machine, not on the data: deadline, full disk, no memory. */
  get localFailure(): SqlError | null {
    return this.#localFailure;
  }

  get schemaChanged(): boolean {
    return this.#schemaChanged;
  }

  /** Rows changed in this request, those of rolled back transactions left out. */
  netChanges(): number {
    return this.#transaction.netChanges();
  }

  usedRandom(): boolean {
    return this.#transaction.effects().usedRandom;
  }

  /** Throws `TransactionLost` when a statement ended the transaction all of this runs in. */
  run(program: Program, options: RunOptions): StepOutcome[] {
    this.#sizeLeft = RESULT_SIZE_MAX;
    const outcomes: StepOutcome[] = [];
    for (const [position, step] of program.steps.entries()) {
      if (step.condition !== null && !this.#holds(step.condition, outcomes)) {
        outcomes.push(null);
        continue;
      }
      outcomes.push(this.#runStep(step.statement, position, options));
    }
    return outcomes;
  }

  /** Undoes what the client left open, and puts the connection's settings back. */
  end(): void {
    this.#transaction.end();
  }

  /** Forgets a transaction that SQLite has rolled back whole. */
  forget(): void {
    this.#transaction.forget();
  }

  #holds(condition: Condition, outcomes: readonly StepOutcome[]): boolean {
    switch (condition.type) {
      case "ok":
        return outcomes[condition.step]?.ok === true;
      case "error":
        return outcomes[condition.step]?.ok === false;
      case "not":
        return !this.#holds(condition.cond, outcomes);
      case "and":
        return condition.conds.every((part) => this.#holds(part, outcomes));
      case "or":
        return condition.conds.some((part) => this.#holds(part, outcomes));
      case "is_autocommit":
        return this.autocommit;
    }
  }

  #runStep(statement: Statement, position: number, options: RunOptions): StepOutcome {
    const plan = this.#parts.plans.plan(statement.sql);
    if (!plan.isSingle) {
      return failed(sqlError(SQLITE_ERROR, "SQL string contains more than one statement"));
    }
    const known = options.rollbacks?.get(position);
    if (known !== undefined) {
      if (!this.autocommit) this.#transaction.rollback();
      return failed(known);
    }
    const error = this.#transaction.control(plan.classification);
    if (error !== undefined) return error === null ? done(this.#emptyResult()) : failed(error);
    return this.#execute(statement, plan, position, options);
  }

  #execute(
    statement: Statement,
    plan: StatementPlan,
    position: number,
    options: RunOptions,
  ): StepOutcome {
    const { db, gate, guard, cache, marks } = this.#parts;
    this.#transaction.touch();
    const context = { role: options.role, readOnly: plan.readOnly };
    let mark = false;
    let failure: SqlError | null = null;
    let result: StatementResult | null = null;
    try {
      const text = isOptimize(plan) ? OPTIMIZE_SQL : statement.sql;
      const prepared = gate.as(context, () => cache.prepare(text, options.role));
      mark = !plan.readOnly && (this.autocommit || prepared.columns.length > 0);
      if (mark) marks.statement.set();
      if (options.deadlineMs > 0) guard.setDeadline(options.deadlineMs);
      result = gate.as(context, () => this.#step(prepared, statement, plan));
      if (!plan.readOnly && this.autocommit && this.#transaction.effects().violatesKeys) {
        failure = foreignKeyError();
      }
    } catch (error) {
      failure = gate.takeDenial() ?? this.#failure(error);
    }
    if (options.deadlineMs > 0) guard.setDeadline(0);
    if (!db.isTransaction) {
      throw new TransactionLost(position, failure ?? sqlError(SQLITE_ERROR, "transaction lost"));
    }
    if (mark) this.#unmark(failure);
    this.#noteSchemaChange(plan, failure === null);
    if (failure !== null || result === null) {
      return failed(failure ?? sqlError(SQLITE_ERROR, "no result"));
    }
    return done(result);
  }

  /** A failed statement has undone itself, but for what we fail: keys that are checked late, and too many rows. */
  #unmark(failure: SqlError | null): void {
    const { statement } = this.#parts.marks;
    const code = failure?.extendedCode;
    if (code === SQLITE_CONSTRAINT_FOREIGNKEY || code === SQLITE_TOOBIG) {
      statement.undo();
      this.#transaction.touch();
    } else statement.release();
  }

  #noteSchemaChange(plan: StatementPlan, succeeded: boolean): void {
    if (!isSchemaPlan(plan)) return;
    if (succeeded) this.#schemaChanged = true;
    this.#parts.cache.clear();
  }

  #failure(error: unknown): SqlError {
    if (error instanceof TooManyRows) {
      return sqlError(
        SQLITE_TOOBIG,
        `the rows of one request pass ${RESULT_SIZE_MAX} bytes: ask for fewer with LIMIT`,
      );
    }
    const failure = explain(toSqlError(error));
    if (isLocalFailure(failure)) this.#localFailure = failure;
    return failure;
  }

  #step(prepared: PreparedStatement, statement: Statement, plan: StatementPlan): StatementResult {
    const args = bindings(prepared, statement);
    if (prepared.columns.length === 0) {
      const { changes, lastInsertRowid } = prepared.statement.run(...args);
      this.#lastInsertRowid = BigInt(lastInsertRowid);
      const affected = plan.classification.kind === "write" ? Number(changes) : 0;
      return this.#result([], [], affected);
    }
    const rows = this.#rows(prepared, args, statement.wantRows);
    if (plan.readOnly || plan.classification.kind === "pragma") {
      return this.#result(prepared.columns, rows, 0);
    }
    const { changes, lastInsertRowid } = this.#parts.guard.counts();
    this.#lastInsertRowid = lastInsertRowid;
    return this.#result(prepared.columns, rows, changes);
  }

  #rows(prepared: PreparedStatement, args: BoundArguments, wantRows: boolean): SqlValue[][] {
    const rows: SqlValue[][] = [];
    for (const row of prepared.statement.iterate(...args)) {
      if (!wantRows) continue;
      const values = row as unknown as SqlValue[];
      this.#sizeLeft -= rowSize(values);
      if (this.#sizeLeft < 0) throw new TooManyRows();
      rows.push(values);
    }
    return rows;
  }

  #emptyResult(): StatementResult {
    return this.#result([], [], 0);
  }

  #result(
    columns: StatementResult["columns"],
    rows: SqlValue[][],
    affectedRowCount: number,
  ): StatementResult {
    const lastInsertRowid = this.#lastInsertRowid === 0n ? null : this.#lastInsertRowid;
    return { columns, rows, affectedRowCount, lastInsertRowid };
  }
}

function isOptimize({ classification }: StatementPlan): boolean {
  return classification.kind === "pragma" && classification.name === "optimize";
}

class TooManyRows extends Error {}

/** True for failures that another replica would not have. */
export function isLocalFailure(error: SqlError): boolean {
  const primary = error.extendedCode & 0xff;
  return [SQLITE_INTERRUPT, SQLITE_FULL, SQLITE_IOERR, SQLITE_NOMEM].includes(primary);
}

function explain(error: SqlError): SqlError {
  if (error.extendedCode !== SQLITE_INTERRUPT) return error;
  return sqlError(
    SQLITE_INTERRUPT,
    "interrupted: the statement ran longer than its deadline, and its request was undone; split it",
  );
}

/** Statements that change the schema or the file's header, for which SQLite's session has no words. */
export function isSchemaPlan({ classification }: StatementPlan): boolean {
  if (classification.kind !== "pragma") return classification.kind === "schema";
  return classifyPragma(classification.name, classification.argument) === "schema";
}

function rowSize(row: readonly SqlValue[]): number {
  let size = 0;
  for (const value of row) {
    size += VALUE_SIZE;
    if (typeof value === "string" || value instanceof Uint8Array) size += value.length;
  }
  return size;
}

function done(result: StatementResult): StepOutcome {
  return { ok: true, result };
}

function failed(error: SqlError): StepOutcome {
  return { ok: false, error };
}
