/**
 * What happens when a statement ends the transaction a whole batch runs in. The batch is run again: a shared one
 * without the request, an own one with that step marked, so that it fails with its error and rolls back its
 * client's transaction only, as it would in SQLite.
 */

import { MyceliumError } from "../../base/index.ts";
import type { Program, ProgramResult, SqlError, StepOutcome } from "../../domain/sql/index.ts";
import type { RequestOutcome } from "../../ports/index.ts";
import { isLocalFailure, type TransactionLost } from "./program-runner.ts";
import { SQLITE_ERROR, sqlError } from "./sql-error.ts";

/** Per request by its position: steps that are known to end the transaction. */
export type Rollbacks = Map<number, Map<number, SqlError>>;

/** Each one costs another run of the request: a client's program with more is refused. */
const ROLLBACKS_PER_REQUEST_MAX = 16;

/** Where a batch's transaction was lost. */
export class LostAt {
  readonly batch: number;
  readonly position: number;
  readonly program: Program;
  readonly step: number;
  readonly error: SqlError;

  constructor(batch: number, position: number, program: Program, lost: TransactionLost) {
    this.batch = batch;
    this.position = position;
    this.program = program;
    this.step = lost.step;
    this.error = lost.error;
  }
}

/** On the leader. What rests on this machine (deadline, disk, memory) ends the request. */
export function noteLoss(
  lost: LostAt,
  alone: boolean,
  failures: Map<number, RequestOutcome>,
  rollbacks: Rollbacks,
): void {
  const known = rollbacks.get(lost.position)?.size ?? 0;
  if (isLocalFailure(lost.error)) failures.set(lost.position, failedWhole(lost, lost.error));
  else if (!alone) {
    failures.set(lost.position, { kind: "alone", result: { steps: [], autocommit: true } });
  } else if (known >= ROLLBACKS_PER_REQUEST_MAX) {
    const message = `more than ${ROLLBACKS_PER_REQUEST_MAX} statements roll back: split the request`;
    failures.set(lost.position, failedWhole(lost, sqlError(SQLITE_ERROR, message)));
  } else markRollback(rollbacks, lost);
}

/** On a follower. Throws DISK_FULL when this machine failed, not the statement. */
export function markRollback(rollbacks: Rollbacks, lost: LostAt): void {
  if (isLocalFailure(lost.error)) throw cannotApply(lost.error);
  const marks = rollbacks.get(lost.position) ?? new Map<number, SqlError>();
  marks.set(lost.step, lost.error);
  rollbacks.set(lost.position, marks);
}

export function cannotApply(error: SqlError): MyceliumError {
  return new MyceliumError(
    "DISK_FULL",
    `Cannot apply a committed request: ${error.message} (${error.code}); free some space`,
  );
}

/** Every step that ran fails: the request was undone. */
export function failAll(result: ProgramResult, error: SqlError): ProgramResult {
  const steps = result.steps.map(
    (outcome): StepOutcome => (outcome === null ? null : { ok: false, error }),
  );
  return { ...result, steps };
}

/** The steps of an interactive client's program up to the one that lost its transaction. */
export function lostSteps(program: Program, lost: TransactionLost): StepOutcome[] {
  const undone = sqlError(lost.error.extendedCode, `rolled back: ${lost.error.message}`);
  return program.steps.map((_, position): StepOutcome => {
    if (position > lost.step) return null;
    return { ok: false, error: position === lost.step ? lost.error : undone };
  });
}

function failedWhole(lost: LostAt, error: SqlError): RequestOutcome {
  const steps = lost.program.steps.map(() => ({ ok: false as const, error }));
  return { kind: "unchanged", result: { steps, autocommit: true } };
}
