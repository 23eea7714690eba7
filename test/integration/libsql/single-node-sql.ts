/**
 * The smallest honest SqlService: one SQLite file on this machine, no replication. It lets the gateway and the
 * libSQL suite run without a network; real nodes run the same suite.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { asLogIndex } from "../../../src/base/index.ts";
import type { Request } from "../../../src/domain/replication/index.ts";
import {
  type Condition,
  classifyStatement,
  type Program,
  type ProgramResult,
  type SqlError,
  type SqlValue,
  type Statement,
  type StatementResult,
  type StepOutcome,
} from "../../../src/domain/sql/index.ts";
import type { ReadOptions, SqlService, SqlTransaction } from "../../../src/ports/index.ts";

const CODE_NAMES: Readonly<Record<number, string>> = {
  1: "SQLITE_ERROR",
  8: "SQLITE_READONLY",
  25: "SQLITE_RANGE",
  275: "SQLITE_CONSTRAINT_CHECK",
  787: "SQLITE_CONSTRAINT_FOREIGNKEY",
  1299: "SQLITE_CONSTRAINT_NOTNULL",
  1555: "SQLITE_CONSTRAINT_PRIMARYKEY",
  2067: "SQLITE_CONSTRAINT_UNIQUE",
};

/** One connection and what Hrana's conditions must know of it. */
class Connection {
  readonly #db: DatabaseSync;

  constructor(path: string, readOnly: boolean) {
    this.#db = new DatabaseSync(path, { enableForeignKeyConstraints: false });
    this.#db.exec("PRAGMA journal_mode=WAL; PRAGMA busy_timeout=1000");
    if (readOnly) this.#db.exec("PRAGMA query_only=1");
  }

  get inTransaction(): boolean {
    try {
      this.#db.exec("BEGIN");
    } catch {
      return true;
    }
    this.#db.exec("ROLLBACK");
    return false;
  }

  run(program: Program): ProgramResult {
    const steps: StepOutcome[] = [];
    for (const { statement, condition } of program.steps) {
      const runs = condition === null || this.#holds(condition, steps);
      steps.push(runs ? this.#runStatement(statement) : null);
    }
    return { steps, autocommit: !this.inTransaction };
  }

  rollback(): void {
    if (this.inTransaction) this.#db.exec("ROLLBACK");
  }

  close(): void {
    this.#db.close();
  }

  #holds(condition: Condition, steps: readonly StepOutcome[]): boolean {
    switch (condition.type) {
      case "ok":
        return steps[condition.step]?.ok === true;
      case "error":
        return steps[condition.step]?.ok === false;
      case "not":
        return !this.#holds(condition.cond, steps);
      case "and":
        return condition.conds.every((cond) => this.#holds(cond, steps));
      case "or":
        return condition.conds.some((cond) => this.#holds(cond, steps));
      case "is_autocommit":
        return !this.inTransaction;
    }
  }

  #runStatement(statement: Statement): StepOutcome {
    try {
      return { ok: true, result: this.#execute(statement) };
    } catch (error) {
      return { ok: false, error: sqlErrorOf(error) };
    }
  }

  #execute({ sql, args, namedArgs, wantRows }: Statement): StatementResult {
    const found = classifyStatement(sql);
    const isReadOnlyBegin = found.kind === "begin" && found.mode === "readonly";
    const prepared = this.#db.prepare(isReadOnlyBegin ? "BEGIN" : sql);
    prepared.setReadBigInts(true);
    prepared.setReturnArrays(true);
    const named = Object.fromEntries(namedArgs) as Record<string, SqlValue>;
    const rows = (
      namedArgs.length > 0 ? prepared.all(named, ...args) : prepared.all(...args)
    ) as unknown;
    const columns = prepared.columns().map(({ name, type }) => ({ name, decltype: type }));
    return {
      columns,
      rows: wantRows ? (rows as SqlValue[][]) : [],
      affectedRowCount: found.kind === "write" ? Number(this.#scalar("SELECT changes()")) : 0,
      lastInsertRowid: this.#scalar("SELECT last_insert_rowid()"),
    };
  }

  #scalar(sql: string): bigint {
    const prepared = this.#db.prepare(sql);
    prepared.setReadBigInts(true);
    return Object.values(prepared.get() as Record<string, bigint>)[0]!;
  }
}

function sqlErrorOf(error: unknown): SqlError {
  const { errcode, message } = error as { errcode?: number; message: string };
  if (errcode === undefined) return { code: "SQLITE_MISUSE", extendedCode: 21, message };
  return { code: CODE_NAMES[errcode] ?? `SQLITE_${errcode}`, extendedCode: errcode, message };
}

export class SingleNodeSql implements SqlService {
  readonly #directory = mkdtempSync(join(tmpdir(), "libsql-suite-"));
  readonly #path = join(this.#directory, "main.db");
  readonly #writer = new Connection(this.#path, false);
  readonly #reader = new Connection(this.#path, true);
  readonly #results = new Map<string, ProgramResult>();
  /** Resolves when the writer is free. */
  #turn: Promise<void> = Promise.resolve();
  #applied = 0;
  openTransactions = 0;

  async write(request: Request): Promise<ProgramResult> {
    const release = await this.#takeWriter();
    try {
      const known = this.#results.get(request.id);
      if (known !== undefined) return known;
      const { steps } = this.#writer.run(request.program);
      this.#writer.rollback();
      const result = { steps, autocommit: true };
      this.#results.set(request.id, result);
      this.#applied++;
      return result;
    } finally {
      release();
    }
  }

  async read(program: Program, _options: ReadOptions): Promise<ProgramResult> {
    const { steps } = this.#reader.run(program);
    this.#reader.rollback();
    return { steps, autocommit: true };
  }

  async begin(mode: "read" | "write"): Promise<SqlTransaction> {
    const release = mode === "write" ? await this.#takeWriter() : () => {};
    const connection = mode === "write" ? this.#writer : new Connection(this.#path, true);
    this.openTransactions++;
    let open = true;
    const end = () => {
      if (!open) return;
      open = false;
      this.openTransactions--;
      connection.rollback();
      if (mode === "read") connection.close();
      release();
    };
    return {
      step: async (program) => {
        const result = connection.run(program);
        if (result.autocommit) end();
        return result;
      },
      close: async () => end(),
    };
  }

  appliedIndex() {
    return asLogIndex(this.#applied);
  }

  close(): void {
    this.#writer.close();
    this.#reader.close();
    rmSync(this.#directory, { recursive: true });
  }

  async #takeWriter(): Promise<() => void> {
    const before = this.#turn;
    const next = Promise.withResolvers<void>();
    this.#turn = next.promise;
    await before;
    return next.resolve;
  }
}
