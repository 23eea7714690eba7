/** One client's interactive transaction inside the open batch transaction: its steps come one by one. */

import type { BatchContext, Request } from "../../domain/replication/index.ts";
import type { Program, ProgramResult, SqlRole, StepOutcome } from "../../domain/sql/index.ts";
import type { BatchOutcome, RequestOutcome } from "../../ports/index.ts";
import type { BatchExecutor } from "./batch-executor.ts";
import { failAll, lostSteps } from "./batch-loss.ts";
import { ChangeSession } from "./change-session.ts";
import { ProgramRunner, type RunnerParts, TransactionLost } from "./program-runner.ts";
import { SQLITE_ERROR, sqlError } from "./sql-error.ts";

const NO_DIGEST = new Uint8Array(32);

export class InteractiveBatch {
  readonly #parts: RunnerParts;
  readonly #executor: BatchExecutor;
  readonly #role: SqlRole;
  readonly #runner: ProgramRunner;
  readonly #session: ChangeSession;
  readonly #reservedBefore: string;
  /** Without their rows: the client has them. */
  readonly #outcomes: StepOutcome[] = [];
  #lost = false;

  /** The batch transaction is open and pinned. */
  constructor(parts: RunnerParts, executor: BatchExecutor, role: SqlRole) {
    this.#parts = parts;
    this.#executor = executor;
    this.#role = role;
    executor.startRequest(0);
    this.#session = new ChangeSession(parts.db);
    this.#runner = new ProgramRunner(parts);
    this.#reservedBefore = executor.reservedNames();
    parts.guard.unpin();
  }

  step(program: Program, deadlineMs: number): ProgramResult {
    if (this.#lost) {
      const error = sqlError(SQLITE_ERROR, "cannot continue - the transaction was rolled back");
      return { steps: program.steps.map(() => ({ ok: false, error })), autocommit: true };
    }
    this.#parts.guard.resume();
    try {
      const steps = this.#runner.run(program, { role: this.#role, deadlineMs });
      for (const outcome of steps) this.#outcomes.push(withoutRows(outcome));
      // A replica has no deadline: what ran into one must not be executed again.
      if (this.#runner.localFailure !== null) this.#lose();
      return { steps, autocommit: this.#lost || this.#runner.autocommit };
    } catch (error) {
      if (!(error instanceof TransactionLost)) throw error;
      this.#lose();
      return { steps: lostSteps(program, error), autocommit: true };
    } finally {
      this.#parts.guard.unpin();
    }
  }

  /** Without effect unless the outcome is `applied`: then the batch is sealed and stays open. */
  seal(context: BatchContext, request: Request): BatchOutcome {
    const result: ProgramResult = { steps: this.#outcomes, autocommit: true };
    try {
      if (this.#lost) return unchanged(result);
      this.#runner.end();
      this.#parts.marks.request.release();
      if (!this.#runner.schemaChanged && this.#runner.netChanges() === 0) return unchanged(result);
      const refused = this.#executor.refusal(this.#runner, this.#role, this.#reservedBefore);
      if (refused !== null) return unchanged(failAll(result, refused));
      const digest = this.#executor.sealOne(context, request, result, this.#session);
      return { outcomes: [{ kind: "applied", result }], digest };
    } finally {
      this.#session.end();
    }
  }

  /** The batch is rolled back. */
  drop(): void {
    this.#session.end();
    if (!this.#lost) this.#runner.forget();
  }

  #lose(): void {
    this.#lost = true;
    this.#runner.forget();
    if (this.#parts.db.isTransaction) this.#parts.db.exec("ROLLBACK");
    this.#executor.schemaChanged();
  }
}

function unchanged(result: ProgramResult): BatchOutcome {
  const outcome: RequestOutcome = { kind: "unchanged", result };
  return { outcomes: [outcome], digest: NO_DIGEST };
}

function withoutRows(outcome: StepOutcome): StepOutcome {
  if (outcome === null || !outcome.ok || outcome.result.rows.length === 0) return outcome;
  return { ok: true, result: { ...outcome.result, rows: [] } };
}
