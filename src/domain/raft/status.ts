/** What a replica tells about itself, for people and for checkers. */

import type { LogIndex, ReplicaId, Term } from "../../base/index.ts";
import { isVoter } from "./configuration.ts";
import type { RaftCore, RaftRole } from "./raft-core.ts";

export interface ReplicaStatus {
  readonly replica: ReplicaId;
  readonly state: "probe" | "replicate" | "snapshot";
  readonly matchIndex: LogIndex;
  readonly isActive: boolean;
}

export interface RaftStatus {
  readonly replica: ReplicaId;
  readonly role: RaftRole | "learner";
  readonly term: Term;
  readonly leader: ReplicaId | null;
  readonly commitIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly stableIndex: LogIndex;
  readonly firstIndex: LogIndex;
  readonly damagedUpTo: LogIndex | null;
  readonly isInstalling: boolean;
  /** The other replicas as the leader sees them; empty elsewhere. */
  readonly peers: readonly ReplicaStatus[];
}

export function statusOf(core: RaftCore): RaftStatus {
  const isLearner = core.role === "follower" && !isVoter(core.configuration, core.id);
  return {
    replica: core.id,
    role: isLearner ? "learner" : core.role,
    term: core.term,
    leader: core.leader,
    commitIndex: core.commitIndex,
    lastIndex: core.log.lastIndex,
    stableIndex: core.log.stableIndex,
    firstIndex: (core.log.snapshot.index + 1) as LogIndex,
    damagedUpTo: core.damagedUpTo,
    isInstalling: core.installing !== null,
    peers: [...core.progress.values()].map((progress) => ({
      replica: progress.replica,
      state: progress.state,
      matchIndex: progress.match,
      isActive: progress.isActive,
    })),
  };
}
