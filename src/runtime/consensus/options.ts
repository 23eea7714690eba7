/** What the consensus host is given. */

import type { MyceliumError, NodeId, Random } from "../../base/index.ts";
import { DEFAULT_RAFT_OPTIONS, type RaftOptions } from "../../domain/raft/index.ts";
import type { Clock, Logger, LogStore, Metrics, Priority } from "../../ports/index.ts";

export interface ConsensusSettings {
  /** How often all groups look at the time. */
  readonly tickMs: number;
  readonly heartbeatMs: number;
  /** Followers hear of what is committed with the next append, or this much later; 0: at once. */
  readonly commitNewsMs: number;
  /** Least silence of a leader before others stand; they wait up to twice as long. */
  readonly electionMs: number;
  /** Entries kept behind the cut, for followers that lag. */
  readonly trailingEntries: number;
  /** The log is cut when it can lose at least so many. */
  readonly compactMinEntries: number;
  /** A learner becomes a voter once it is no further behind than this. */
  readonly promoteLagEntries: number;
  /** Limits of each group. */
  readonly raft: Partial<
    Omit<RaftOptions, "electionTicks" | "heartbeatTicks" | "tellsCommitsLate">
  >;
}

export const CONSENSUS_SETTINGS: ConsensusSettings = {
  tickMs: 50,
  heartbeatMs: 100,
  commitNewsMs: 5,
  electionMs: 500,
  trailingEntries: 4_096,
  compactMinEntries: 1_024,
  promoteLagEntries: 64,
  raft: {},
};

/** Sends a frame; false when it was dropped. `Transport.send` on the channel "raft" fits. */
export interface FrameSender {
  send(to: NodeId, channel: string, payload: Uint8Array, priority: Priority): boolean;
}

export interface ConsensusOptions {
  readonly node: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  readonly logStore: LogStore;
  readonly transport: FrameSender;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly settings: ConsensusSettings;
  /** Random per start, up to 2^47: tells the questions of this life from those of an earlier one. Default 0. */
  readonly firstContext?: number;
  /**
   * Whether a member may vote and lead, by its grant. Of all others only answers and questions of the current term
   * are taken, whatever a group's configuration says. Default: every member may.
   */
  readonly mayVote?: (node: NodeId) => boolean;
  /**
   * The log can no longer be written: this node has stopped acknowledging and takes part no more until it is
   * started again. Called once.
   */
  readonly onFailure: (error: MyceliumError) => void;
  /**
   * Another node remembers what this one promised and has no record of: its disk holds an older state. It takes part
   * no more as the replicas it was. Called once. Default: `onFailure`.
   */
  readonly onForgotten?: (error: MyceliumError) => void;
}

export function raftOptionsOf(settings: ConsensusSettings): RaftOptions {
  const ticks = (ms: number): number => Math.max(1, Math.round(ms / settings.tickMs));
  return {
    ...DEFAULT_RAFT_OPTIONS,
    ...settings.raft,
    electionTicks: ticks(settings.electionMs),
    heartbeatTicks: ticks(settings.heartbeatMs),
    tellsCommitsLate: settings.commitNewsMs > 0,
  };
}
