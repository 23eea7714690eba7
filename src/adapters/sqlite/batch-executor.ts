/**
 * Executes the requests of one batch inside an open transaction, on the leader and on followers alike: each in a
 * savepoint, with its own random stream and counters; then digests what they did and keeps their results.
 */

import type { DatabaseSync } from "node:sqlite";
import type { BatchContext, Request } from "../../domain/replication/index.ts";
import type {
  Program,
  ProgramResult,
  SqlError,
  SqlRole,
  StepOutcome,
} from "../../domain/sql/index.ts";
import type { BatchOutcome, RequestOutcome } from "../../ports/index.ts";
import { BatchDigest } from "./batch-digest.ts";
import { cannotApply, failAll, LostAt, type Rollbacks } from "./batch-loss.ts";
import type { ExecutedBatch } from "./call-codec.ts";
import { ChangeSession } from "./change-session.ts";
import {
  isSchemaPlan,
  ProgramRunner,
  type RunnerParts,
  type RunOptions,
  TransactionLost,
} from "./program-runner.ts";
import { ReservedNames } from "./reserved-names.ts";
import type { StoreTables } from "./store-tables.ts";

export interface BatchOptions {
  readonly alone: boolean;
  readonly deadlineMs: number;
}

interface Applied {
  readonly request: Request;
  readonly result: ProgramResult;
}

const ALONE: RequestOutcome = { kind: "alone", result: { steps: [], autocommit: true } };
const DIGEST_SIZE = 32;

export class BatchExecutor {
  readonly #db: DatabaseSync;
  readonly #parts: RunnerParts;
  readonly #tables: StoreTables;
  readonly #digest: BatchDigest;
  readonly #reserved: ReservedNames;

  constructor(parts: RunnerParts, tables: StoreTables) {
    this.#db = parts.db;
    this.#parts = parts;
    this.#tables = tables;
    this.#digest = new BatchDigest(parts.db);
    this.#reserved = new ReservedNames(parts.db);
  }

  /** The outcome, its digest all zeros when nothing was applied. Throws `LostAt`. */
  lead(
    context: BatchContext,
    requests: readonly Request[],
    options: BatchOptions,
    failures: ReadonlyMap<number, RequestOutcome>,
    rollbacks: Rollbacks,
  ): BatchOutcome & { readonly appliedCount: number } {
    const session = new ChangeSession(this.#db);
    const outcomes: RequestOutcome[] = [];
    const applied: Applied[] = [];
    const seen = new Map<string, number>();
    try {
      for (const [position, request] of requests.entries()) {
        const known = this.#replayOf(request, seen, outcomes) ?? failures.get(position);
        const marks = rollbacks.get(position);
        const outcome =
          known ?? this.#leadRequest(request, position, applied.length, options, marks);
        outcomes.push(outcome);
        if (outcome.kind !== "applied") continue;
        applied.push({ request, result: outcome.result });
        seen.set(request.id, position);
      }
      const digest =
        applied.length === 0 ? new Uint8Array(DIGEST_SIZE) : this.#seal(context, applied, session);
      return { outcomes, digest, appliedCount: applied.length };
    } finally {
      session.end();
    }
  }

  /** The digest. Throws `LostAt`, and DISK_FULL when this machine cannot do what others did. */
  follow(batch: ExecutedBatch, number: number, rollbacks: Rollbacks): Uint8Array {
    const session = new ChangeSession(this.#db);
    const applied: Applied[] = [];
    this.#parts.guard.pin(batch.context);
    try {
      for (const [position, request] of batch.requests.entries()) {
        this.startRequest(position);
        const runner = new ProgramRunner(this.#parts);
        const options = runOptions(request.role, 0, rollbacks.get(position));
        const steps = this.#runSteps(runner, request, position, number, options);
        if (runner.localFailure !== null) throw cannotApply(runner.localFailure);
        runner.end();
        this.#parts.marks.request.release();
        applied.push({ request, result: { steps, autocommit: true } });
      }
      return this.#seal(batch.context, applied, session);
    } finally {
      session.end();
      this.#parts.guard.unpin();
    }
  }

  /** The savepoint first: it makes full-text indexes write, which counts as changes. */
  startRequest(ordinal: number): void {
    this.#parts.marks.request.set();
    this.#parts.guard.startRequest(ordinal);
    this.#tables.resetChanges();
  }

  /** The names of the store's own tables just now, for `refusal`. */
  reservedNames(): string {
    return this.#reserved.list();
  }

  /** Why a request may not be logged as it ran; null when it may. */
  refusal(runner: ProgramRunner, role: SqlRole, reservedBefore: string): SqlError | null {
    if (runner.localFailure !== null) return runner.localFailure;
    return runner.schemaChanged ? this.#reserved.violation(role, reservedBefore) : null;
  }

  /** Digests one interactive transaction and keeps its result; the transaction stays open. */
  sealOne(
    context: BatchContext,
    request: Request,
    result: ProgramResult,
    session: ChangeSession,
  ): Uint8Array {
    return this.#seal(context, [{ request, result }], session);
  }

  /** Forgets what was compiled or known for another schema. */
  schemaChanged(): void {
    this.#parts.cache.clear();
    this.#digest.schemaChanged();
  }

  isReadOnly(program: Program): boolean {
    return program.steps.every(({ statement }) => this.#parts.plans.plan(statement.sql).readOnly);
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

  #leadRequest(
    request: Request,
    position: number,
    ordinal: number,
    { alone, deadlineMs }: BatchOptions,
    marks: ReadonlyMap<number, SqlError> | undefined,
  ): RequestOutcome {
    if (!alone && this.#changesSchema(request.program)) return ALONE;
    const reservedBefore = alone ? this.#reserved.list() : "";
    this.startRequest(ordinal);
    const runner = new ProgramRunner(this.#parts);
    const options = runOptions(request.role, deadlineMs, marks);
    const steps = this.#runSteps(runner, request, position, 0, options);
    const { autocommit } = runner;
    runner.end();
    const result = { steps, autocommit: true };
    const refused = this.refusal(runner, request.role, reservedBefore);
    if (refused !== null) return this.#undo(failAll(result, refused), runner.schemaChanged);
    if (!autocommit) return this.#undo({ steps, autocommit }, runner.schemaChanged);
    // Random numbers that were seen are never drawn again: such a request is logged even without effect.
    const hasEffect = runner.schemaChanged || runner.netChanges() > 0 || runner.usedRandom();
    if (!hasEffect) return this.#undo(result, false);
    this.#parts.marks.request.release();
    return { kind: "applied", result };
  }

  #undo(result: ProgramResult, schemaChanged: boolean): RequestOutcome {
    this.#parts.marks.request.undo();
    if (schemaChanged) this.schemaChanged();
    return { kind: "unchanged", result };
  }

  #runSteps(
    runner: ProgramRunner,
    request: Request,
    position: number,
    batch: number,
    options: RunOptions,
  ): StepOutcome[] {
    try {
      return runner.run(request.program, options);
    } catch (error) {
      if (!(error instanceof TransactionLost)) throw error;
      runner.forget();
      throw new LostAt(batch, position, request.program, error);
    }
  }

  #changesSchema(program: Program): boolean {
    return program.steps.some((step) => isSchemaPlan(this.#parts.plans.plan(step.statement.sql)));
  }

  #seal(context: BatchContext, applied: readonly Applied[], session: ChangeSession): Uint8Array {
    const withSchema = applied.some(({ request }) => this.#changesSchema(request.program));
    if (withSchema) this.schemaChanged();
    // Full-text indexes keep what they gather in memory until a savepoint: it belongs to this batch.
    this.#parts.marks.request.set();
    this.#parts.marks.request.release();
    const changeset = withSchema ? null : session.take();
    session.end();
    const outcomes = applied.map(({ result }) => result.steps);
    const digest = this.#digest.digest(changeset, outcomes);
    this.#tables.keepResults(context.timeMs, applied);
    return digest;
  }
}

function runOptions(
  role: SqlRole,
  deadlineMs: number,
  rollbacks: ReadonlyMap<number, SqlError> | undefined,
): RunOptions {
  return rollbacks === undefined ? { role, deadlineMs } : { role, deadlineMs, rollbacks };
}
