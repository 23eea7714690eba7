/**
 * The one writer of a shard's file: the leader's open batch, and what every replica executes. Synchronous; runs in
 * the writer Worker. Invariant: outside of `runBatch` and an interactive transaction the file holds exactly what
 * the log committed up to `appliedIndex`.
 */

import type { DatabaseSync, Session } from "node:sqlite";
import { assert, type LogIndex, MyceliumError } from "../../base/index.ts";
import type { BatchContext, Request } from "../../domain/replication/index.ts";
import type {
  Program,
  ProgramResult,
  SqlError,
  SqlRole,
  StepOutcome,
} from "../../domain/sql/index.ts";
import type {
  BatchOutcome,
  CommittedBatch,
  RequestOutcome,
  ShardPosition,
} from "../../ports/index.ts";
import { BatchDigest } from "./batch-digest.ts";
import { openConnection } from "./connection.ts";
import { DiskReserve } from "./disk-reserve.ts";
import { Gate } from "./gate.ts";
import { Guard } from "./guard.ts";
import { Marks } from "./marks.ts";
import {
  isLocalFailure,
  isSchemaPlan,
  ProgramRunner,
  type RunnerParts,
  TransactionLost,
} from "./program-runner.ts";
import { ReservedNames } from "./reserved-names.ts";
import {
  extendedCodeOf,
  SQLITE_FULL,
  SQLITE_IOERR,
  sqlError,
  throwIfCorrupt,
} from "./sql-error.ts";
import { PlanCache, StatementCache } from "./statement-cache.ts";
import { createStoreTables, readPosition, StoreTables } from "./store-tables.ts";

export interface WriterOptions {
  readonly path: string;
  readonly guardPath: string;
  readonly cacheSizeBytes: number;
  /** Free space on the disk below which requests that may write fail with SQLITE_FULL. */
  readonly reserveBytes: number;
}

interface Applied {
  readonly request: Request;
  readonly result: ProgramResult;
}

interface Interactive {
  readonly role: SqlRole;
  readonly runner: ProgramRunner;
  readonly session: Session;
  readonly outcomes: StepOutcome[];
  readonly reservedBefore: string;
  lost: boolean;
}

type Rollbacks = Map<number, Map<number, SqlError>>;

/** Steps that end the whole transaction, found one by one: more than this in one request is refused. */
const ROLLBACKS_PER_REQUEST_MAX = 64;

export class WriterEngine {
  readonly #db: DatabaseSync;
  readonly #parts: RunnerParts;
  readonly #tables: StoreTables;
  readonly #digest: BatchDigest;
  readonly #reserved: ReservedNames;
  readonly #disk: DiskReserve;
  #position: ShardPosition;
  #context: BatchContext | null = null;
  #interactive: Interactive | null = null;

  /** Throws STATE_CORRUPT, STATE_NEWER. */
  constructor(options: WriterOptions) {
    this.#db = openConnection(options.path, { ...options, readOnly: false });
    try {
      const db = this.#db;
      createStoreTables(db);
      const gate = new Gate(db);
      this.#parts = {
        db,
        gate,
        guard: new Guard(db),
        marks: new Marks(db),
        cache: new StatementCache(db),
        plans: new PlanCache(),
      };
      this.#tables = new StoreTables(db);
      this.#digest = new BatchDigest(db);
      this.#reserved = new ReservedNames(db);
      this.#disk = new DiskReserve(db, options.path, options.reserveBytes);
      this.#position = readPosition(db);
    } catch (error) {
      this.#db.close();
      throwIfCorrupt(error);
      throw error;
    }
  }

  get position(): ShardPosition {
    return this.#position;
  }

  /** See `ShardDatabase.runBatch`. */
  runBatch(
    context: BatchContext,
    requests: readonly Request[],
    options: { readonly alone: boolean; readonly deadlineMs: number },
  ): BatchOutcome {
    assert(this.#context === null, "a batch is open");
    assert(!options.alone || requests.length === 1, "one request alone");
    const failures = this.#disk.isLow() ? this.#refuseWrites(requests) : new Map();
    const rollbacks: Rollbacks = new Map();
    for (;;) {
      const lost = this.#tryBatch(context, requests, options, failures, rollbacks);
      if (!(lost instanceof LostAt)) return lost;
      noteLoss(lost, options.alone, failures, rollbacks);
    }
  }

  /** Programs that only read go on. */
  #refuseWrites(requests: readonly Request[]): Map<number, RequestOutcome> {
    const failures = new Map<number, RequestOutcome>();
    for (const [position, { program }] of requests.entries()) {
      const { plans } = this.#parts;
      if (program.steps.every((step) => plans.plan(step.statement.sql).readOnly)) continue;
      const steps = program.steps.map(() => ({ ok: false as const, error: this.#disk.error() }));
      failures.set(position, { kind: "unchanged", result: { steps, autocommit: true } });
    }
    return failures;
  }

  beginInteractive(context: BatchContext, role: SqlRole): void {
    assert(this.#context === null, "a batch is open");
    if (this.#disk.isLow()) {
      throw new MyceliumError(
        "DISK_FULL",
        `Cannot begin a transaction: ${this.#disk.error().message}`,
      );
    }
    this.#begin(context);
    this.#startRequest(0);
    const session = this.#db.createSession();
    const runner = new ProgramRunner(this.#parts);
    const reservedBefore = this.#reserved.list();
    this.#interactive = { role, runner, session, outcomes: [], reservedBefore, lost: false };
    this.#parts.guard.unpin();
  }

  stepInteractive(program: Program, deadlineMs: number): ProgramResult {
    const state = this.#interactive;
    assert(state !== null, "no interactive transaction is open");
    if (state.lost) {
      const error = sqlError(1, "cannot continue - the transaction was rolled back");
      return { steps: program.steps.map(() => ({ ok: false, error })), autocommit: true };
    }
    this.#parts.guard.resume();
    try {
      const steps = state.runner.run(program, { role: state.role, deadlineMs });
      state.outcomes.push(...steps);
      // A replica has no deadline: what ran into one must not be executed again.
      if (state.runner.localFailure !== null) this.#loseInteractive(state);
      return { steps, autocommit: state.lost || state.runner.autocommit };
    } catch (error) {
      if (!(error instanceof TransactionLost)) throw error;
      this.#loseInteractive(state);
      return { steps: lostSteps(program, error), autocommit: true };
    } finally {
      this.#parts.guard.unpin();
    }
  }

  sealInteractive(request: Request): BatchOutcome {
    const state = this.#interactive;
    const context = this.#context;
    assert(state !== null && context !== null, "no interactive transaction is open");
    this.#interactive = null;
    if (!state.lost) {
      state.runner.end();
      this.#parts.marks.request.release();
    }
    const result: ProgramResult = { steps: state.outcomes, autocommit: true };
    const hasEffect = !state.lost && (state.runner.schemaChanged || state.runner.netChanges() > 0);
    if (!hasEffect) {
      state.session.close();
      this.rollback();
      return this.#emptyBatch([{ kind: "unchanged", result }]);
    }
    const denied = state.runner.schemaChanged
      ? this.#reserved.violation(state.role, state.reservedBefore)
      : null;
    if (denied !== null) {
      state.session.close();
      this.rollback();
      return this.#emptyBatch([{ kind: "unchanged", result: failAll(result, denied) }]);
    }
    const digest = this.#seal(context, [{ request, result }], state.session);
    return { outcomes: [{ kind: "applied", result }], digest };
  }

  /** Throws DISK_FULL, and the batch is rolled back: the log has it, and `apply` brings it later. */
  commit(index: LogIndex): void {
    const context = this.#context;
    assert(context !== null && this.#interactive === null, "no batch is ready to commit");
    this.#durably("commit a batch", () => {
      this.#tables.setPosition(index, context.timeMs);
      this.#db.exec("COMMIT");
    });
    this.#context = null;
    this.#position = { ...this.#position, appliedIndex: index, pinnedTimeMs: context.timeMs };
  }

  rollback(): void {
    this.#interactive?.session.close();
    if (this.#interactive?.lost === false) this.#interactive.runner.forget();
    this.#interactive = null;
    this.#context = null;
    this.#parts.guard.unpin();
    if (!this.#db.isTransaction) return;
    this.#db.exec("ROLLBACK");
    this.#parts.cache.clear();
    this.#digest.schemaChanged();
  }

  /** Throws DISK_FULL; then nothing of `batches` is applied. */
  apply(batches: readonly CommittedBatch[]): Uint8Array[] {
    assert(this.#context === null, "a batch is open");
    this.#disk.lift();
    const rollbacks = batches.map((): Rollbacks => new Map());
    for (;;) {
      const lost = this.#durably("apply committed batches", () =>
        this.#tryApply(batches, rollbacks),
      );
      if (!(lost instanceof LostAt)) return lost;
      const marks = rollbacks[lost.batch];
      assert(marks !== undefined, "lost in an unknown batch");
      mark(marks, lost);
    }
  }

  advance(index: LogIndex): void {
    assert(this.#context === null, "a batch is open");
    if (index <= this.#position.appliedIndex) return;
    this.#durably("record the applied index", () => this.#tables.setIndex(index));
    this.#position = { ...this.#position, appliedIndex: index };
  }

  close(): void {
    this.rollback();
    this.#db.close();
  }

  #begin(context: BatchContext): void {
    assert(context.timeMs >= this.#position.pinnedTimeMs, "pinned time must not fall");
    this.#db.exec("BEGIN IMMEDIATE");
    this.#context = context;
    this.#parts.guard.pin(context);
  }

  #tryBatch(
    context: BatchContext,
    requests: readonly Request[],
    options: { readonly alone: boolean; readonly deadlineMs: number },
    failures: ReadonlyMap<number, RequestOutcome>,
    rollbacks: Rollbacks,
  ): BatchOutcome | LostAt {
    this.#begin(context);
    const session = this.#db.createSession();
    const outcomes: RequestOutcome[] = [];
    const applied: Applied[] = [];
    const seen = new Map<string, number>();
    try {
      for (const [position, request] of requests.entries()) {
        const known = this.#replayOf(request, seen, outcomes) ?? failures.get(position);
        const outcome =
          known ?? this.#runRequest(request, position, applied.length, options, rollbacks);
        outcomes.push(outcome);
        if (outcome.kind !== "applied") continue;
        applied.push({ request, result: outcome.result });
        seen.set(request.id, position);
      }
      if (applied.length === 0) {
        session.close();
        this.rollback();
        return this.#emptyBatch(outcomes);
      }
      return { outcomes, digest: this.#seal(context, applied, session) };
    } catch (error) {
      session.close();
      this.rollback();
      if (error instanceof LostAt) return error;
      throw error;
    } finally {
      this.#parts.guard.unpin();
    }
  }

  #replayOf(
    request: Request,
    seen: ReadonlyMap<string, number>,
    outcomes: readonly RequestOutcome[],
  ): RequestOutcome | null {
    const twin = seen.get(request.id);
    const result =
      twin === undefined ? this.#tables.findResult(request.id) : outcomes[twin]?.result;
    return result === null || result === undefined ? null : { kind: "replayed", result };
  }

  #runRequest(
    request: Request,
    position: number,
    ordinal: number,
    options: { readonly alone: boolean; readonly deadlineMs: number },
    rollbacks: Rollbacks,
  ): RequestOutcome {
    if (!options.alone && this.#needsAlone(request.program)) {
      return { kind: "alone", result: { steps: [], autocommit: true } };
    }
    const reservedBefore = options.alone ? this.#reserved.list() : "";
    this.#startRequest(ordinal);
    const runner = new ProgramRunner(this.#parts);
    const marks = rollbacks.get(position);
    const steps = this.#runSteps(runner, request, position, 0, {
      role: request.role,
      deadlineMs: options.deadlineMs,
      ...(marks === undefined ? {} : { rollbacks: marks }),
    });
    runner.end();
    const result = { steps, autocommit: true };
    const refused = this.#refusal(runner, request.role, reservedBefore);
    if (refused !== null) return this.#undo(failAll(result, refused), runner.schemaChanged);
    // Random numbers that were seen are never drawn again: such a request is logged even without effect.
    const hasEffect = runner.schemaChanged || runner.netChanges() > 0 || runner.usedRandom();
    if (!hasEffect) return this.#undo(result, false);
    this.#parts.marks.request.release();
    return { kind: "applied", result };
  }

  /** Why a request may not be logged as it ran; null when it may. */
  #refusal(runner: ProgramRunner, role: SqlRole, reservedBefore: string): SqlError | null {
    if (runner.localFailure !== null) return runner.localFailure;
    return runner.schemaChanged ? this.#reserved.violation(role, reservedBefore) : null;
  }

  #undo(result: ProgramResult, schemaChanged: boolean): RequestOutcome {
    this.#parts.marks.request.undo();
    if (schemaChanged) this.#schemaChanged();
    return { kind: "unchanged", result };
  }

  #runSteps(
    runner: ProgramRunner,
    request: Request,
    position: number,
    batch: number,
    options: Parameters<ProgramRunner["run"]>[1],
  ): StepOutcome[] {
    try {
      return runner.run(request.program, options);
    } catch (error) {
      if (!(error instanceof TransactionLost)) throw error;
      runner.forget();
      throw new LostAt(batch, position, request.program, error);
    }
  }

  /** The savepoint first: it makes full-text indexes write, which counts as changes. */
  #startRequest(ordinal: number): void {
    this.#parts.marks.request.set();
    this.#parts.guard.startRequest(ordinal);
    this.#tables.resetChanges();
  }

  #needsAlone(program: Program): boolean {
    return program.steps.some((step) => isSchemaPlan(this.#parts.plans.plan(step.statement.sql)));
  }

  #emptyBatch(outcomes: readonly RequestOutcome[]): BatchOutcome {
    return { outcomes, digest: new Uint8Array(32) };
  }

  /** Digests the open batch and keeps its results; the transaction stays open. */
  #seal(context: BatchContext, applied: readonly Applied[], session: Session): Uint8Array {
    const withSchema = applied.some(({ request }) => this.#needsAlone(request.program));
    if (withSchema) this.#schemaChanged();
    // Full-text indexes keep what they gather in memory until a savepoint: it belongs to this batch.
    this.#parts.marks.request.set();
    this.#parts.marks.request.release();
    const changeset = withSchema ? null : session.changeset();
    session.close();
    const digest = this.#digest.digest(
      changeset,
      applied.map(({ result }) => result.steps),
    );
    this.#tables.keepResults(context.timeMs, applied);
    return digest;
  }

  #schemaChanged(): void {
    this.#parts.cache.clear();
    this.#digest.schemaChanged();
  }

  #tryApply(
    batches: readonly CommittedBatch[],
    rollbacks: readonly Rollbacks[],
  ): Uint8Array[] | LostAt {
    const digests: Uint8Array[] = [];
    let timeMs = this.#position.pinnedTimeMs;
    let index = this.#position.appliedIndex;
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      for (const [number, batch] of batches.entries()) {
        assert(batch.index > index, `entry ${batch.index} is applied already`);
        // Time never falls: a leader that let it is put right, on every replica alike.
        timeMs = Math.max(timeMs, batch.context.timeMs);
        const context = { ...batch.context, timeMs };
        const marks = rollbacks[number] ?? new Map();
        digests.push(this.#applyBatch({ ...batch, context }, number, marks));
        index = batch.index;
      }
      this.#tables.setPosition(index, timeMs);
      this.#db.exec("COMMIT");
    } catch (error) {
      this.rollback();
      if (error instanceof LostAt) return error;
      throw error;
    }
    this.#position = { ...this.#position, appliedIndex: index, pinnedTimeMs: timeMs };
    return digests;
  }

  #applyBatch(batch: CommittedBatch, number: number, rollbacks: Rollbacks): Uint8Array {
    const { guard } = this.#parts;
    const session = this.#db.createSession();
    const applied: Applied[] = [];
    guard.pin(batch.context);
    try {
      for (const [position, request] of batch.requests.entries()) {
        this.#startRequest(position);
        const runner = new ProgramRunner(this.#parts);
        const marks = rollbacks.get(position);
        const options = { role: request.role, deadlineMs: 0 };
        const steps = this.#runSteps(
          runner,
          request,
          position,
          number,
          marks === undefined ? options : { ...options, rollbacks: marks },
        );
        if (runner.localFailure !== null) throw cannotApply(runner.localFailure);
        runner.end();
        this.#parts.marks.request.release();
        applied.push({ request, result: { steps, autocommit: true } });
      }
      return this.#seal(batch.context, applied, session);
    } catch (error) {
      session.close();
      throw error;
    } finally {
      guard.unpin();
    }
  }

  #loseInteractive(state: Interactive): void {
    state.lost = true;
    state.runner.forget();
    if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
    this.#schemaChanged();
  }

  /** Runs what must reach the disk; when it is full, undoes it and says so. */
  #durably<T>(action: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      const primary = (extendedCodeOf(error) ?? 0) & 0xff;
      if (primary === 0) throw error;
      this.rollback();
      throwIfCorrupt(error);
      if (primary !== SQLITE_FULL && primary !== SQLITE_IOERR) throw error;
      throw new MyceliumError(
        "DISK_FULL",
        `Cannot ${action}: ${error instanceof Error ? error.message : "the disk failed"}; free some space`,
        { cause: error },
      );
    }
  }
}

/** Where a batch's transaction was lost. */
class LostAt {
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

/**
 * In a shared batch the request is put off until it has a transaction of its own; there its step is marked to roll
 * back the client's transaction only. What rests on this machine (deadline, disk, memory) ends the request.
 */
function noteLoss(
  lost: LostAt,
  alone: boolean,
  failures: Map<number, RequestOutcome>,
  rollbacks: Rollbacks,
): void {
  if (isLocalFailure(lost.error)) {
    const steps = lost.program.steps.map(() => ({ ok: false as const, error: lost.error }));
    failures.set(lost.position, { kind: "unchanged", result: { steps, autocommit: true } });
  } else if (!alone) {
    failures.set(lost.position, { kind: "alone", result: { steps: [], autocommit: true } });
  } else mark(rollbacks, lost);
}

function mark(rollbacks: Rollbacks, lost: LostAt): void {
  if (isLocalFailure(lost.error)) throw cannotApply(lost.error);
  const marks = rollbacks.get(lost.position) ?? new Map<number, SqlError>();
  assert(!marks.has(lost.step), "a marked step ended the transaction again");
  assert(marks.size < ROLLBACKS_PER_REQUEST_MAX, "too many steps end the transaction");
  marks.set(lost.step, lost.error);
  rollbacks.set(lost.position, marks);
}

function cannotApply(error: SqlError): MyceliumError {
  return new MyceliumError(
    "DISK_FULL",
    `Cannot apply a committed request: ${error.message} (${error.code}); free some space`,
  );
}

function failAll(result: ProgramResult, error: SqlError): ProgramResult {
  const steps = result.steps.map(
    (outcome): StepOutcome => (outcome === null ? null : { ok: false, error }),
  );
  return { ...result, steps };
}

function lostSteps(program: Program, lost: TransactionLost): StepOutcome[] {
  const undone = sqlError(lost.error.extendedCode, `rolled back: ${lost.error.message}`);
  return program.steps.map((_, position): StepOutcome => {
    if (position > lost.step) return null;
    return { ok: false, error: position === lost.step ? lost.error : undone };
  });
}
