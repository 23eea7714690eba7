/** For tests: a one-node `SqlService` over SQLite in memory, with Hrana's conditions and no replication. */

import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { asLogIndex } from "../../base/index.ts";
import type {
  Condition,
  Program,
  ProgramResult,
  SqlValue,
  Statement,
  StepOutcome,
} from "../../domain/sql/index.ts";
import type { SqlService } from "../index.ts";

const CODES: Readonly<Record<number, string>> = {
  275: "SQLITE_CONSTRAINT_CHECK",
  1299: "SQLITE_CONSTRAINT_NOTNULL",
  1555: "SQLITE_CONSTRAINT_PRIMARYKEY",
  2067: "SQLITE_CONSTRAINT_UNIQUE",
};

export class SqliteService implements SqlService {
  readonly #database = new DatabaseSync(":memory:");
  /** Called before each write; may throw what a real service would. */
  beforeWrite: () => void = () => {};
  /** Called after each write took effect: a lost answer throws here. */
  afterWrite: () => void = () => {};

  /** `pinnedMs`: what unixepoch('subsec') is made of, as a leader pins it; the machine's time unless told. */
  constructor(pinnedMs: (() => number) | null = null) {
    if (pinnedMs === null) return;
    this.#database.function("unixepoch", { varargs: true }, () => pinnedMs() / 1_000);
  }

  async write({ program }: { program: Program }): Promise<ProgramResult> {
    this.beforeWrite();
    const result = this.#run(program);
    this.afterWrite();
    return result;
  }

  async read(program: Program): Promise<ProgramResult> {
    return this.#run(program);
  }

  begin(): never {
    throw new Error("the agent uses no interactive transactions of its own");
  }

  appliedIndex() {
    return asLogIndex(0);
  }

  rows(sql: string): Record<string, unknown>[] {
    return this.#database.prepare(sql).all() as Record<string, unknown>[];
  }

  #run(program: Program): ProgramResult {
    const steps: StepOutcome[] = [];
    for (const { statement, condition } of program.steps) {
      const runs = condition === null || holds(condition, steps);
      steps.push(runs ? this.#execute(statement) : null);
    }
    if (this.#database.isTransaction) throw new Error("the program left a transaction open");
    return { steps, autocommit: true };
  }

  #execute({ sql, args }: Statement): StepOutcome {
    try {
      const prepared = this.#database.prepare(sql);
      prepared.setReadBigInts(true);
      prepared.setReturnArrays?.(true);
      const rows = prepared.all(...(args as SQLInputValue[])) as unknown as SqlValue[][];
      const changes = this.#database.prepare("SELECT changes() AS n").get() as { n: number };
      return {
        ok: true,
        result: { columns: [], rows, affectedRowCount: changes.n, lastInsertRowid: null },
      };
    } catch (error) {
      const { errcode = 1, message } = error as Error & { errcode?: number };
      const code = CODES[errcode] ?? "SQLITE_ERROR";
      return { ok: false, error: { code, extendedCode: errcode, message } };
    }
  }
}

function holds(condition: Condition, steps: readonly StepOutcome[]): boolean {
  if (condition.type === "ok") return steps[condition.step]?.ok === true;
  if (condition.type === "error") return steps[condition.step]?.ok === false;
  if (condition.type === "not") return !holds(condition.cond, steps);
  throw new Error(`the agent uses no condition ${condition.type}`);
}
