/**
 * The seam between consensus and what it replicates. Consensus calls a `StateMachine`; a state machine proposes and
 * asks through its `GroupLog`. One of each per Raft group and node.
 */

import type { LogIndex, NodeId, ReplicaId, Term } from "../base/index.ts";
import type { LogEntry, SnapshotMeta } from "./log-store.ts";

export interface Leadership {
  readonly term: Term;
  /** Null while there is none. */
  readonly leader: NodeId | null;
  /** True on the leader from the moment its own no-op is applied. */
  readonly ready: boolean;
}

export interface Proposal {
  readonly index: LogIndex;
  readonly term: Term;
}

export interface GroupLog {
  leadership(): Leadership;
  /** Appends to the leader's log. Null when this node is not a ready leader or its uncommitted tail is full. */
  propose(payload: Uint8Array): Proposal | null;
  /**
   * An index such that a read at it is linearizable. Works on every replica (a follower asks its leader). Rejects
   * with NO_QUORUM or NOT_LEADER after `timeoutMs`.
   */
  readIndex(timeoutMs: number): Promise<LogIndex>;
  /**
   * Snapshot meta for an applied index: its term and the configuration in force there. Throws UNREACHABLE where the
   * log does not hold it: a state behind the log's cut, which waits to be replaced.
   */
  metaAt(index: LogIndex): SnapshotMeta;
  commitIndex(): LogIndex;
  /** Asks for the group's log to be cut below what `durableIndex` allows. */
  compact(durableIndex: LogIndex): void;
  /** Transfers leadership to the best other voter, if this node leads and there is one. The reason is logged. */
  handOver(reason: string): void;
  /** Vote weight by replica in the current configuration. */
  weights(): ReadonlyMap<ReplicaId, number>;
}

export interface StateMachine {
  /** Committed entries in order, none twice in one life. Must not block: queue and return. */
  apply(entries: readonly LogEntry[]): void;
  /** How far `apply` has got durably enough to be served. */
  appliedIndex(): LogIndex;
  /** Every change of term, leader or readiness, before entries of the new term are applied. */
  leadershipChanged(leadership: Leadership): void;
  /**
   * Why a follower is not to store a command of its leader `from`, null when nothing speaks against it. What is settled
   * (committed, or an earlier leader's) is stored whatever is said. Called in the log's order, not for every command
   * once only. Must be quick.
   */
  objection?(from: NodeId, payload: Uint8Array, isSettled: boolean): string | null;
  /** Replaces the state by a snapshot fetched from `source` (or any other replica); resolves with what it got. */
  installSnapshot(source: NodeId, atLeast: LogIndex): Promise<SnapshotMeta>;
}
