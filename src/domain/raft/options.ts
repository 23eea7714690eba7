/** Limits and times of one replica. Times are in ticks: the host decides how long a tick is. */

export interface RaftOptions {
  /** Least ticks without a leader before standing; also how long followers stick to a leader they hear. */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** Most bytes of entries in one append; one entry goes even if it is larger. */
  readonly appendBytesMax: number;
  /** Appends under way to one follower. */
  readonly inflightCountMax: number;
  readonly inflightBytesMax: number;
  /** What a leader takes on before it is committed; beyond it proposals are refused. */
  readonly uncommittedCountMax: number;
  readonly uncommittedBytesMax: number;
  /** Committed entries handed out and not yet applied. */
  readonly applyBytesMax: number;
  readonly readsWaitingMax: number;
  /** Followers learn what is committed with the next append, or when the host calls `tellCommits`; else at once. */
  readonly tellsCommitsLate: boolean;
}

const KIB = 1_024;
const MIB = 1_024 * KIB;

export const DEFAULT_RAFT_OPTIONS: RaftOptions = {
  electionTicks: 20,
  heartbeatTicks: 4,
  appendBytesMax: 512 * KIB,
  inflightCountMax: 128,
  inflightBytesMax: 4 * MIB,
  uncommittedCountMax: 8_192,
  uncommittedBytesMax: 16 * MIB,
  applyBytesMax: 8 * MIB,
  readsWaitingMax: 4_096,
  tellsCommitsLate: false,
};
