/** What consensus tells about itself. */

import type { ErrorCode, GroupId, LogIndex, NodeId, ReplicaId, Term } from "../../base/index.ts";
import type { RaftRole } from "../../domain/raft/index.ts";

export interface MemberStatus {
  readonly replica: ReplicaId;
  readonly node: NodeId;
  /** 0 for a learner. */
  readonly weight: number;
  /** On its way out in a change of members. */
  readonly isLeaving: boolean;
}

export interface PeerProgress {
  readonly replica: ReplicaId;
  readonly node: NodeId;
  readonly state: "probe" | "replicate" | "snapshot";
  readonly matchIndex: LogIndex;
  /** Entries it lacks. */
  readonly lag: number;
  /** Heard from in the last election timeout, or the one before. */
  readonly isActive: boolean;
}

export interface GroupStatus {
  readonly group: GroupId;
  readonly replica: ReplicaId;
  readonly role: RaftRole | "learner";
  readonly term: Term;
  readonly leader: NodeId | null;
  /** Leads and accepts proposals. */
  readonly isReady: boolean;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly firstIndex: LogIndex;
  readonly members: readonly MemberStatus[];
  /** These members are not known to be committed. */
  readonly isChanging: boolean;
  /** Others as the leader sees them; empty elsewhere. */
  readonly peers: readonly PeerProgress[];
  /** Synced entries were lost; the replica does not vote until it has got them back. */
  readonly damagedUpTo: LogIndex | null;
  readonly isInstalling: boolean;
  /** Why the last snapshot could not be installed; null after a success. */
  readonly installError: string | null;
}

export interface ConsensusStatus {
  /** Why this node takes part no more; null while it does. */
  readonly failure: { readonly code: ErrorCode; readonly message: string } | null;
  readonly groups: readonly GroupStatus[];
}
