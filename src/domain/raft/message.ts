/** What replicas of one group tell each other. All fields but `entries` are small; objects of one kind share a shape. */

import type { LogIndex, ReplicaId, Term } from "../../base/index.ts";
import type { LogEntry, SnapshotMeta } from "./entry.ts";

interface Envelope {
  readonly from: ReplicaId;
  readonly to: ReplicaId;
  /** The sender's term; of a pre-vote and its grant, the term the candidate would have. */
  readonly term: Term;
}

export interface VoteRequest extends Envelope {
  readonly kind: "voteRequest";
  readonly preVote: boolean;
  /** Stands by order of its leader: those who hear from that leader may vote (Raft thesis 4.2.3). */
  readonly transfer: boolean;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
}

export interface VoteResponse extends Envelope {
  readonly kind: "voteResponse";
  readonly preVote: boolean;
  readonly granted: boolean;
}

export interface Append extends Envelope {
  readonly kind: "append";
  readonly prevIndex: LogIndex;
  readonly prevTerm: Term;
  readonly commit: LogIndex;
  /** In sequence from `prevIndex` + 1. */
  readonly entries: readonly LogEntry[];
}

export interface AppendResponse extends Envelope {
  readonly kind: "appendResponse";
  /** Accepted: the log agrees with the leader's up to here and is synced. Rejected: the `prevIndex` refused. */
  readonly index: LogIndex;
  readonly rejected: boolean;
  /** On rejection: where the logs may still agree, and the term there. */
  readonly hintIndex: LogIndex;
  readonly hintTerm: Term;
  /** On rejection: synced entries were lost, so what was acknowledged before may be gone. */
  readonly damaged: boolean;
}

export interface Heartbeat extends Envelope {
  readonly kind: "heartbeat";
  readonly commit: LogIndex;
  /** The latest round of read index that was begun. */
  readonly round: number;
  /** False for a mere notice of a new commit index. */
  readonly wantsReply: boolean;
}

export interface HeartbeatResponse extends Envelope {
  readonly kind: "heartbeatResponse";
  readonly round: number;
}

/** An offer: the state machine fetches the state itself, from the sender or from any replica that has it. */
export interface SnapshotOffer extends Envelope {
  readonly kind: "snapshotOffer";
  readonly snapshot: SnapshotMeta;
}

/** Stand for election at once. */
export interface TimeoutNow extends Envelope {
  readonly kind: "timeoutNow";
}

/** A follower asks its leader for a read index. */
export interface ReadRequest extends Envelope {
  readonly kind: "readRequest";
  readonly context: number;
}

export interface ReadResponse extends Envelope {
  readonly kind: "readResponse";
  readonly context: number;
  readonly index: LogIndex;
}

export type Message =
  | VoteRequest
  | VoteResponse
  | Append
  | AppendResponse
  | Heartbeat
  | HeartbeatResponse
  | SnapshotOffer
  | TimeoutNow
  | ReadRequest
  | ReadResponse;
