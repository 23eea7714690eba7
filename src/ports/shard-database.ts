/**
 * One shard's database as a replicated state machine. It holds only what the log committed, but for one open batch
 * transaction on the leader. Calls on the write side (`runBatch` to `installSnapshot`) must not overlap, but for
 * `commit` and what follows it; readers run beside them and see committed data only.
 */

import type { LogIndex } from "../base/index.ts";
import type { BatchContext, BundlePart, Request } from "../domain/replication/index.ts";
import type { Program, ProgramResult, SqlRole } from "../domain/sql/index.ts";
import type { SnapshotMeta } from "./log-store.ts";

export interface ShardPosition {
  /** Every entry up to here is in the database. */
  readonly appliedIndex: LogIndex;
  /** `timeMs` of the last batch applied. */
  readonly pinnedTimeMs: number;
  /** The last snapshot installed from a peer; null when there was none. */
  readonly installed: SnapshotMeta | null;
}

/**
 * How a request of a batch ended. `applied`: it changed something and goes into the log. `unchanged`: it ran or
 * failed without effect; its result rests on what was read. `replayed`: its id was applied before, this is the kept
 * result. `alone`: it needs a transaction of its own (schema changes and the like) and was not run.
 */
export interface RequestOutcome {
  readonly kind: "applied" | "unchanged" | "replayed" | "alone";
  readonly result: ProgramResult;
}

export interface BatchOutcome {
  readonly outcomes: readonly RequestOutcome[];
  /** Digest of the effects of all `applied` requests (32 bytes). */
  readonly digest: Uint8Array;
}

/** A batch as the log carries it, its signatures checked and skipped requests left out. */
export interface CommittedBatch {
  readonly index: LogIndex;
  readonly context: BatchContext;
  readonly parts: readonly BundlePart[];
}

export interface QueryOptions {
  readonly role: SqlRole;
  readonly deadlineMs: number;
  /** A snapshot from `openSnapshot`; null reads what is committed now. */
  readonly snapshot: number | null;
}

export interface SnapshotInfo {
  readonly id: string;
  readonly meta: SnapshotMeta;
  readonly sizeBytes: number;
  readonly sha256: Uint8Array;
}

export interface ShardDatabase {
  /** Throws STATE_CORRUPT when the file cannot be used; `reset` then makes an empty one. */
  open(): Promise<ShardPosition>;

  /**
   * Leader: opens the batch transaction, runs each request of `parts` in a savepoint (one that ends without effect is rolled
   * back), and leaves the transaction open for `commit` or `rollback`. `alone` lets one request use what needs a
   * transaction of its own. A request whose client leaves its transaction open is undone, and `autocommit` in its
   * result is false. Statements over `deadlineMs` fail with SQLITE_INTERRUPT.
   */
  runBatch(
    context: BatchContext,
    parts: readonly BundlePart[],
    options: { readonly alone: boolean; readonly deadlineMs: number },
  ): Promise<BatchOutcome>;

  /** Leader: opens a batch transaction for one interactive client. */
  beginInteractive(context: BatchContext, role: SqlRole): Promise<void>;
  /** Runs steps inside it. `autocommit` in the result is true once the client's COMMIT or ROLLBACK ended it. */
  stepInteractive(program: Program, deadlineMs: number): Promise<ProgramResult>;
  /** After the client's COMMIT: the effects, still open for `commit` or `rollback`. */
  sealInteractive(request: Request): Promise<BatchOutcome>;

  /**
   * Makes the open batch part of the database, as entry `index`. The next batch may be run without waiting; it throws
   * DISK_FULL when this did: `apply` must bring the entry first.
   */
  commit(index: LogIndex): Promise<void>;
  /** Drops the open batch, if there is one. */
  rollback(): Promise<void>;

  /** Follower: executes committed batches, one transaction each or one for all, and returns their digests. */
  apply(batches: readonly CommittedBatch[]): Promise<readonly Uint8Array[]>;
  /** Records that entries up to `index` without effect here (no-ops, configurations) are applied. */
  advance(index: LogIndex): Promise<void>;

  query(program: Program, options: QueryOptions): Promise<ProgramResult>;
  /** A read transaction on what is committed now. Limited in number: throws OVERLOADED. */
  openSnapshot(): Promise<number>;
  closeSnapshot(snapshot: number): Promise<void>;

  /** SHA-256 over one table's rows in key order at the committed state, and the tables there are. */
  tables(): Promise<readonly string[]>;
  hashTable(table: string): Promise<Uint8Array>;

  /** Syncs what is applied to the main file; resolves with an applied index that survives power loss. */
  checkpoint(): Promise<LogIndex>;

  /** A copy of the committed state at its applied index, kept until `releaseSnapshot`. */
  createSnapshot(metaAt: (index: LogIndex) => SnapshotMeta): Promise<SnapshotInfo>;
  readSnapshot(id: string, offset: number, sizeBytes: number): Promise<Uint8Array>;
  releaseSnapshot(id: string): Promise<void>;

  /** Fetches a snapshot in order through `readChunk`, checks its hash, swaps it in and opens it. */
  installSnapshot(
    info: SnapshotInfo,
    readChunk: (offset: number, sizeBytes: number) => Promise<Uint8Array>,
  ): Promise<ShardPosition>;

  /** Sets the database aside and opens an empty one. */
  reset(): Promise<ShardPosition>;
  sizeBytes(): Promise<number>;
  close(): Promise<void>;
}
