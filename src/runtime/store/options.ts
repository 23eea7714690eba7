/** What one shard's loop is given, and its limits. */

import type { GroupId, NodeId } from "../../base/index.ts";
import type { Clock, GroupLog, Logger, Metrics, ShardDatabase } from "../../ports/index.ts";

export interface ShardLimits {
  /** Requests in one batch. */
  readonly batchCountMax: number;
  /** Bytes of bundles in one batch. */
  readonly batchBytesMax: number;
  /** How long a leader under load lets a batch gather. */
  readonly gatherMs: number;
  /** Requests waiting on a leader, in number and bytes; more are refused as OVERLOADED. */
  readonly queueCountMax: number;
  readonly queueBytesMax: number;
  /** One signed bundle: more requests than this wait for the next; a single larger one is refused. */
  readonly bundleBytesMax: number;
  /** One request: with its batch it must fit one log entry. */
  readonly requestBytesMax: number;
  /** Bundles a gateway has under way to a leader at once. */
  readonly forwardsMax: number;
  /** How long a gateway retries before it gives up. */
  readonly retryMs: number;
  /** It gives up sooner without a leader, when no quorum has been linked for so long. */
  readonly cutOffMs: number;
  /** One round trip to a leader. */
  readonly forwardTimeoutMs: number;
  /** A writing statement's deadline. */
  readonly writeDeadlineMs: number;
  /** An interactive transaction: idle while another waits, idle otherwise, in all; and how many may wait. */
  readonly interactiveContendedMs: number;
  readonly interactiveIdleMs: number;
  readonly interactiveTotalMs: number;
  readonly interactiveWaitingMax: number;
  /** Statements and arguments of one interactive transaction. */
  readonly interactiveBytesMax: number;
  /** Committed entries a replica executes at once. */
  readonly applyCountMax: number;
  /** How long a follower gathers committed entries before it executes them, and how much at most. */
  readonly applyGatherMs: number;
  readonly applyGatherBytesMax: number;
  /** Pause before another try when the disk is full. */
  readonly diskRetryMs: number;
  /** Between checkpoints, which let the log be cut. */
  readonly checkpointMs: number;
  /** Every table is hashed on all replicas within this. */
  readonly checkIntervalMs: number;
  /** Between two such checks; how long one waits for an idle moment. */
  readonly checkGapMinMs: number;
  readonly checkGapMaxMs: number;
  readonly checkIdleMs: number;
  /** How long the leader waits for other replicas' hashes at least, and between its questions. */
  readonly checkAnswerMs: number;
  readonly checkPollMs: number;
  /** Before another check when no majority agrees on a table. */
  readonly checkDoubtMs: number;
  /** Bytes of a snapshot in one message, and chunks asked for ahead. */
  readonly snapshotChunkBytes: number;
  /** A served snapshot nobody reads is dropped after this. */
  readonly snapshotKeepMs: number;
}

export const SHARD_LIMITS: ShardLimits = {
  batchCountMax: 512,
  batchBytesMax: 1 << 20,
  gatherMs: 1,
  queueCountMax: 10_000,
  queueBytesMax: 64 << 20,
  bundleBytesMax: 1 << 20,
  requestBytesMax: 7 << 20,
  forwardsMax: 2,
  retryMs: 10_000,
  cutOffMs: 2_000,
  forwardTimeoutMs: 5_000,
  writeDeadlineMs: 2_000,
  interactiveContendedMs: 1_000,
  interactiveIdleMs: 5_000,
  interactiveTotalMs: 30_000,
  interactiveWaitingMax: 256,
  interactiveBytesMax: 7 << 20,
  applyCountMax: 64,
  applyGatherMs: 5,
  applyGatherBytesMax: 256 << 10,
  diskRetryMs: 1_000,
  checkpointMs: 30_000,
  checkIntervalMs: 24 * 60 * 60_000,
  checkGapMinMs: 1_000,
  checkGapMaxMs: 600_000,
  checkIdleMs: 60_000,
  checkAnswerMs: 60_000,
  checkPollMs: 200,
  checkDoubtMs: 10_000,
  snapshotChunkBytes: 512 << 10,
  snapshotKeepMs: 60_000,
};

/** Requests between replicas, as `Transport` offers them. */
export interface Peers {
  request(to: NodeId, method: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
}

/** Who may write, and this node's signature. */
export interface Authority {
  readonly node: NodeId;
  sign(payload: Uint8Array): Uint8Array;
  verify(author: NodeId, payload: Uint8Array, signature: Uint8Array): boolean;
  /** Whether `author` is a validator as far as this node knows. */
  mayWrite(author: NodeId): boolean;
}

/**
 * `copy`: other nodes hold replicas. `log`: this is the only one, and its log holds all; the agent begins a new life,
 * which fills an empty database from it. `nothing`: the only one, and its log was cut.
 */
export type Refill = "copy" | "log" | "nothing";

export interface ShardOptions {
  readonly shard: GroupId;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly database: ShardDatabase;
  readonly log: GroupLog;
  readonly peers: Peers;
  readonly authority: Authority;
  /** Unpredictable bytes: seeds of random() and ids. */
  readonly entropy: (sizeBytes: number) => Uint8Array;
  /** Other nodes that hold replicas of this shard, for snapshots and digests. */
  readonly replicaNodes: () => readonly NodeId[];
  /** What else a damaged database can be made from; called once it is known to be damaged. */
  readonly refill: (reason: string) => Refill;
  /** How long this node has not been linked with a quorum of the shard; 0 while it is. */
  readonly quorumUnseenMs: () => number;
  /** How far this machine's clock is ahead of most members' clocks; 0 where that cannot be told. */
  readonly clockOffMs: () => number;
  /** How far a time that a peer says it is now lies ahead of most members' clocks; 0 where that cannot be told. */
  readonly aheadMs: (peer: NodeId, timeMs: number) => number;
  /** Told of each applied batch's index; the agent refreshes what it reads from the shard. */
  readonly onApplied: () => void;
  /** An error this loop cannot live with: the agent ends. */
  readonly onFatal: (error: unknown) => void;
  readonly limits: ShardLimits;
}
