/**
 * The one writer of a shard's file: the leader's open batch, and what every replica executes. Synchronous; runs in
 * the writer Worker. Invariant: outside of `runBatch` and an interactive transaction the file holds exactly what
 * the log committed up to `appliedIndex`.
 */

import type { DatabaseSync } from "node:sqlite";
import { assert, type LogIndex, MyceliumError, messageOf } from "../../base/index.ts";
import type { BatchContext, Request } from "../../domain/replication/index.ts";
import type { Program, ProgramResult, SqlRole } from "../../domain/sql/index.ts";
import type { BatchOutcome, RequestOutcome, ShardPosition } from "../../ports/index.ts";
import { type Action, prepareAction } from "./action.ts";
import { BatchExecutor, type BatchOptions } from "./batch-executor.ts";
import { LostAt, markRollback, noteLoss, type Rollbacks } from "./batch-loss.ts";
import type { ExecutedBatch } from "./call-codec.ts";
import { openConnection } from "./connection.ts";
import { DiskReserve } from "./disk-reserve.ts";
import { Gate } from "./gate.ts";
import { Guard } from "./guard.ts";
import { InteractiveBatch } from "./interactive-batch.ts";
import { Marks } from "./marks.ts";
import type { RunnerParts } from "./program-runner.ts";
import { extendedCodeOf, SQLITE_FULL, SQLITE_IOERR, throwIfCorrupt } from "./sql-error.ts";
import { PlanCache, StatementCache } from "./statement-cache.ts";
import { createStoreTables, readPosition, StoreTables } from "./store-tables.ts";

export interface WriterOptions {
  readonly path: string;
  readonly guardPath: string;
  readonly cacheSizeBytes: number;
  /** Free space on the disk below which requests that may write fail with SQLITE_FULL. */
  readonly reserveBytes: number;
}

export class WriterEngine {
  readonly #db: DatabaseSync;
  readonly #parts: RunnerParts;
  readonly #tables: StoreTables;
  readonly #executor: BatchExecutor;
  readonly #disk: DiskReserve;
  readonly #beginWriting: Action;
  readonly #endWriting: Action;
  #position: ShardPosition;
  /** Of the open batch; null when there is none. */
  #context: BatchContext | null = null;
  #interactive: InteractiveBatch | null = null;
  /** A batch that the log has could not be committed: nothing is run on a state without it. */
  #lacksCommitted = false;

  /** Throws STATE_CORRUPT, STATE_NEWER. */
  constructor(options: WriterOptions) {
    this.#db = openConnection(options.path, { ...options, readOnly: false });
    try {
      createStoreTables(this.#db);
      this.#parts = makeParts(this.#db);
      this.#tables = new StoreTables(this.#db);
      this.#executor = new BatchExecutor(this.#parts, this.#tables);
      this.#disk = new DiskReserve(this.#db, options.path, options.reserveBytes);
      this.#beginWriting = prepareAction(this.#db, "BEGIN IMMEDIATE");
      this.#endWriting = prepareAction(this.#db, "COMMIT");
      this.#position = readPosition(this.#db);
    } catch (error) {
      this.#db.close();
      throwIfCorrupt(error);
      throw error;
    }
  }

  get position(): ShardPosition {
    return this.#position;
  }

  /** See `ShardDatabase.runBatch`. When no request is `applied`, no transaction stays open. */
  runBatch(
    context: BatchContext,
    requests: readonly Request[],
    options: BatchOptions,
  ): BatchOutcome {
    this.#requireCommitted();
    assert(!options.alone || requests.length === 1, "one request alone");
    const failures = this.#disk.isLow() ? this.#refuseWrites(requests) : new Map();
    const rollbacks: Rollbacks = new Map();
    for (;;) {
      const outcome = this.#untilLost("run a batch", () => {
        this.#begin(context);
        const { appliedCount, ...rest } = this.#executor.lead(
          context,
          requests,
          options,
          failures,
          rollbacks,
        );
        if (appliedCount === 0) this.rollback();
        this.#parts.guard.unpin();
        return rest;
      });
      if (!(outcome instanceof LostAt)) return outcome;
      noteLoss(outcome, options.alone, failures, rollbacks);
    }
  }

  /** Throws DISK_FULL below the reserve. */
  beginInteractive(context: BatchContext, role: SqlRole): void {
    this.#requireCommitted();
    if (this.#disk.isLow()) {
      const { message } = this.#disk.error();
      throw new MyceliumError("DISK_FULL", `Cannot begin a transaction: ${message}`);
    }
    this.#begin(context);
    this.#interactive = new InteractiveBatch(this.#parts, this.#executor, role);
  }

  stepInteractive(program: Program, deadlineMs: number): ProgramResult {
    assert(this.#interactive !== null, "no interactive transaction is open");
    return this.#interactive.step(program, deadlineMs);
  }

  sealInteractive(request: Request): BatchOutcome {
    const interactive = this.#interactive;
    const context = this.#context;
    assert(interactive !== null && context !== null, "no interactive transaction is open");
    this.#interactive = null;
    const outcome = this.#durably("end a transaction", () => interactive.seal(context, request));
    if (outcome.outcomes[0]?.kind !== "applied") this.rollback();
    return outcome;
  }

  /** Throws DISK_FULL, and the batch is rolled back: the log has it, and `apply` brings it before anything else. */
  commit(index: LogIndex): void {
    const context = this.#context;
    assert(context !== null && this.#interactive === null, "no batch is ready to commit");
    this.#lacksCommitted = true;
    this.#durably("commit a batch", () => {
      this.#tables.setPosition(index, context.timeMs);
      this.#endWriting();
    });
    this.#lacksCommitted = false;
    this.#context = null;
    this.#position = { ...this.#position, appliedIndex: index, pinnedTimeMs: context.timeMs };
  }

  rollback(): void {
    this.#interactive?.drop();
    this.#interactive = null;
    this.#context = null;
    this.#parts.guard.unpin();
    this.#parts.guard.setForeignKeys(true);
    if (!this.#db.isTransaction) return;
    this.#db.exec("ROLLBACK");
    this.#executor.schemaChanged();
  }

  /** Throws DISK_FULL; then nothing of `batches` is applied. */
  apply(batches: readonly ExecutedBatch[]): Uint8Array[] {
    assert(this.#context === null, "a batch is open");
    this.#lacksCommitted = false;
    this.#disk.lift();
    const rollbacks = batches.map((): Rollbacks => new Map());
    for (;;) {
      const digests = this.#untilLost("apply committed batches", () =>
        this.#applyAll(batches, rollbacks),
      );
      if (!(digests instanceof LostAt)) return digests;
      const marks = rollbacks[digests.batch];
      assert(marks !== undefined, "lost in an unknown batch");
      markRollback(marks, digests);
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

  #requireCommitted(): void {
    assert(this.#context === null, "a batch is open");
    if (!this.#lacksCommitted) return;
    throw new MyceliumError("DISK_FULL", "Cannot run a batch: the one before it was not committed");
  }

  #begin(context: BatchContext): void {
    assert(context.timeMs >= this.#position.pinnedTimeMs, "pinned time must not fall");
    this.#beginWriting();
    this.#context = context;
    this.#parts.guard.pin(context);
  }

  /** Programs that only read go on. */
  #refuseWrites(requests: readonly Request[]): Map<number, RequestOutcome> {
    const failures = new Map<number, RequestOutcome>();
    for (const [position, { program }] of requests.entries()) {
      if (this.#executor.isReadOnly(program)) continue;
      const steps = program.steps.map(() => ({ ok: false as const, error: this.#disk.error() }));
      failures.set(position, { kind: "unchanged", result: { steps, autocommit: true } });
    }
    return failures;
  }

  #applyAll(batches: readonly ExecutedBatch[], rollbacks: readonly Rollbacks[]): Uint8Array[] {
    const digests: Uint8Array[] = [];
    let timeMs = this.#position.pinnedTimeMs;
    let index = this.#position.appliedIndex;
    this.#beginWriting();
    for (const [number, batch] of batches.entries()) {
      assert(batch.index > index, `entry ${batch.index} is applied already`);
      // Time never falls: a leader that let it is put right, on every replica alike.
      timeMs = Math.max(timeMs, batch.context.timeMs);
      const context = { ...batch.context, timeMs };
      const marks = rollbacks[number] ?? new Map();
      digests.push(this.#executor.follow({ ...batch, context }, number, marks));
      index = batch.index;
      this.#tables.setPosition(index, timeMs);
    }
    this.#endWriting();
    this.#position = { ...this.#position, appliedIndex: index, pinnedTimeMs: timeMs };
    return digests;
  }

  /** What `work` gives, or where it lost the transaction. Whatever it throws, nothing stays open. */
  #untilLost<T>(action: string, work: () => T): T | LostAt {
    try {
      return this.#durably(action, work);
    } catch (error) {
      if (error instanceof LostAt) return error;
      throw error;
    }
  }

  /** Undoes what failed. Throws DISK_FULL and STATE_CORRUPT for SQLite's words of them. */
  #durably<T>(action: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      this.rollback();
      throwIfCorrupt(error);
      const primary = (extendedCodeOf(error) ?? 0) & 0xff;
      if (primary !== SQLITE_FULL && primary !== SQLITE_IOERR) throw error;
      throw new MyceliumError(
        "DISK_FULL",
        `Cannot ${action}: ${messageOf(error)}; free some space`,
        { cause: error },
      );
    }
  }
}

function makeParts(db: DatabaseSync): RunnerParts {
  return {
    db,
    gate: new Gate(db),
    guard: new Guard(db),
    marks: new Marks(db),
    cache: new StatementCache(db),
    plans: new PlanCache(),
  };
}
