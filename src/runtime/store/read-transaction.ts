/** An interactive read-only transaction: one snapshot on this replica, blocking nobody. */

import {
  classifyStatement,
  type Program,
  type ProgramResult,
  type SqlRole,
  type StepOutcome,
} from "../../domain/sql/index.ts";
import type { ShardDatabase, SqlTransaction } from "../../ports/index.ts";
import { transactionClosed } from "./interactive-lane.ts";
import type { ShardLoop } from "./shard-loop.ts";

const CONTROL_DONE: StepOutcome = {
  ok: true,
  result: { columns: [], rows: [], affectedRowCount: 0, lastInsertRowid: null },
};

export class ReadTransaction implements SqlTransaction {
  readonly #database: ShardDatabase;
  readonly #loop: ShardLoop;
  readonly #snapshot: number;
  readonly #role: SqlRole;
  #open = true;

  constructor(database: ShardDatabase, loop: ShardLoop, snapshot: number, role: SqlRole) {
    this.#database = database;
    this.#loop = loop;
    this.#snapshot = snapshot;
    this.#role = role === "write" ? "read" : role;
  }

  async step(program: Program, deadlineMs: number): Promise<ProgramResult> {
    if (!this.#open) throw transactionClosed("it has ended");
    // BEGIN, COMMIT and ROLLBACK only bound the snapshot; SQLite sees the statements between them.
    const kinds = program.steps.map((step) => classifyStatement(step.statement.sql).kind);
    const isControl = (kind: string | undefined) =>
      kind === "begin" || kind === "commit" || kind === "rollback";
    const queried = {
      steps: program.steps.map((step, i) =>
        isControl(kinds[i])
          ? { condition: step.condition, statement: { ...step.statement, sql: "SELECT 1" } }
          : step,
      ),
    };
    const options = { role: this.#role, deadlineMs, snapshot: this.#snapshot };
    const result = await this.#loop.mending(this.#database.query(queried, options));
    const ends = kinds.some(
      (kind, i) => (kind === "commit" || kind === "rollback") && result.steps[i]?.ok === true,
    );
    if (ends) await this.close();
    const steps = result.steps.map((outcome, i) =>
      isControl(kinds[i]) && outcome !== null ? CONTROL_DONE : outcome,
    );
    return { steps, autocommit: ends };
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#database.closeSnapshot(this.#snapshot);
  }
}
