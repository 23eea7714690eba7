/**
 * The state of one replica and the moves that more than one file makes: changing role, sending, committing. Internal
 * to this folder; `RaftNode` is its face.
 *
 * What rests on a write (votes, vote requests, acknowledgements, the vote for oneself) is held back here until the
 * host says that the write is durable, so that no host can send it too early.
 */

import {
  assert,
  type LogIndex,
  MyceliumError,
  type Random,
  type ReplicaId,
  type Term,
} from "../../base/index.ts";
import { type Configuration, isVoter, replicasOf, weightOf } from "./configuration.ts";
import { ConfigurationHistory } from "./configuration-history.ts";
import { entrySizeBytes, type HardState, type LogEntry, type SnapshotMeta } from "./entry.ts";
import type { Message } from "./message.ts";
import type { RaftOptions } from "./options.ts";
import { Progress } from "./progress.ts";
import type { RaftLog } from "./raft-log.ts";
import { type ConfirmedRead, ReadRounds } from "./read-rounds.ts";
import type { RaftWrite, SnapshotRequest } from "./ready.ts";

export type RaftRole = "follower" | "preCandidate" | "candidate" | "leader";

/** However short the timeout: of replicas that always stood together none would ever win. */
const SPREAD_TICKS_MIN = 3;

/** A write that was handed out and is not durable yet. */
interface PendingWrite {
  readonly sequence: number;
  lastIndex: LogIndex;
  readonly messages: Message[];
  readonly selfVoteTerm: Term | null;
}

export class RaftCore {
  readonly id: ReplicaId;
  readonly options: RaftOptions;
  readonly random: Random;
  readonly log: RaftLog;
  readonly configurations: ConfigurationHistory;

  role: RaftRole = "follower";
  term: Term;
  votedFor: ReplicaId | null;
  leader: ReplicaId | null = null;
  /** See `disownLeader`. */
  disowned: { readonly leader: ReplicaId; readonly term: Term; shunTicks: number } | null = null;
  commitIndex: LogIndex;
  /** The last entry handed out for applying, or part of an installed snapshot. */
  handedIndex: LogIndex;
  /** See RecoveredGroup.damagedUpTo: no vote and no candidacy until `commitIndex` is there. */
  damagedUpTo: LogIndex | null;
  /** The state machine is behind the log's cut: it needs a snapshot before anything else. */
  needsState: boolean;
  /** Being installed; nothing is handed out for applying meanwhile. */
  installing: SnapshotRequest | null = null;
  installRequested = false;
  /** Ticks until a state that could not be fetched is asked for again. */
  stateWaitTicks = 0;
  /** 0 (worst) to 1: scales the advantage a heavy voter has in elections. */
  performance = 1;

  electionElapsed = 0;
  electionTimeout = 0;
  heartbeatElapsed = 0;
  readonly votes = new Map<ReplicaId, boolean>();

  // Of a leader.
  readonly progress = new Map<ReplicaId, Progress>();
  noopIndex = 0 as LogIndex;
  transferTarget: ReplicaId | null = null;
  /** Followers are told what is committed with what is sent next. */
  commitNewsDue = false;
  reads: ReadRounds;
  uncommittedBytes = 0;
  readonly uncommitted: { readonly index: LogIndex; readonly sizeBytes: number }[] = [];

  // What goes out.
  readonly outbox: Message[] = [];
  readonly confirmedReads: ConfirmedRead[] = [];
  #gathering: Message[] = [];
  #selfVoteTerm: Term | null = null;
  #hardStateChanged = false;
  readonly #pending: PendingWrite[] = [];
  #sequence = 0;

  constructor(start: {
    readonly id: ReplicaId;
    readonly options: RaftOptions;
    readonly random: Random;
    readonly log: RaftLog;
    readonly hardState: HardState;
    readonly appliedIndex: LogIndex;
    readonly damagedUpTo: LogIndex | null;
  }) {
    this.id = start.id;
    this.options = start.options;
    this.random = start.random;
    this.log = start.log;
    this.term = start.hardState.term;
    this.votedFor = start.hardState.votedFor;
    this.reads = new ReadRounds(start.options.readsWaitingMax);
    this.configurations = new ConfigurationHistory(start.log.snapshot);
    const { snapshot, lastIndex } = start.log;
    this.needsState = start.appliedIndex < snapshot.index;
    this.commitIndex = Math.min(
      lastIndex,
      Math.max(snapshot.index, start.appliedIndex),
    ) as LogIndex;
    this.handedIndex = Math.max(snapshot.index, start.appliedIndex) as LogIndex;
    this.damagedUpTo = start.damagedUpTo;
    if (start.appliedIndex > lastIndex) {
      // What was applied was committed, so the log lost synced entries, told or not.
      this.damagedUpTo = Math.max(start.damagedUpTo ?? 0, start.appliedIndex) as LogIndex;
    }
    this.#clearDamage();
    if (this.term < start.log.lastTerm) {
      // A snapshot was installed and the term that came with it was not written any more.
      this.term = start.log.lastTerm;
      this.votedFor = null;
      this.#hardStateChanged = true;
    }
    this.restartElectionTimer();
  }

  get configuration(): Configuration {
    return this.configurations.latest.configuration;
  }

  /** May stand for election. */
  get isEligible(): boolean {
    return (
      this.damagedUpTo === null &&
      !this.needsState &&
      this.installing === null &&
      this.#isNeededAsVoter
    );
  }

  /**
   * Also one that its latest configuration leaves out stands, without a vote of its own, until that configuration is
   * known to be committed: it may be the only one with the newest log (Raft thesis 4.2.2).
   */
  get #isNeededAsVoter(): boolean {
    const { index, configuration } = this.configurations.latest;
    if (isVoter(configuration, this.id)) return true;
    return index > this.commitIndex && isVoter(this.configurations.at(this.commitIndex), this.id);
  }

  /** The only voter there is, or will be. */
  get isLoneVoter(): boolean {
    const { voters, outgoing } = this.configurations.latest.configuration;
    return voters.length === 1 && outgoing.length === 0 && voters[0]?.replica === this.id;
  }

  /** For a message that only a broken or hostile peer sends. */
  refuse(message: Message, why: string): never {
    throw new MyceliumError(
      "MALFORMED",
      `Cannot accept ${message.kind} of ${message.from} in term ${message.term}: ${why}`,
    );
  }

  // Roles.

  becomeFollower(term: Term, leader: ReplicaId | null): void {
    assert(term >= this.term, `the term would fall from ${this.term} to ${term}`);
    this.#leaveRole();
    this.role = "follower";
    this.leader = leader;
    this.#setTerm(term, null);
    this.restartElectionTimer();
  }

  becomePreCandidate(): void {
    assert(this.role !== "leader", "a leader stands for election");
    this.#leaveRole();
    this.role = "preCandidate";
    this.leader = null;
    this.restartElectionTimer();
  }

  becomeCandidate(): void {
    assert(this.role !== "leader", "a leader stands for election");
    this.#leaveRole();
    this.role = "candidate";
    this.leader = null;
    this.#setTerm((this.term + 1) as Term, this.id);
    this.#selfVoteTerm = this.term;
    this.restartElectionTimer();
  }

  becomeLeader(): void {
    assert(this.role === "candidate", `a ${this.role} becomes leader`);
    this.#leaveRole();
    this.role = "leader";
    this.leader = this.id;
    this.restartElectionTimer();
    this.heartbeatElapsed = 0;
    this.syncProgress();
    this.noopIndex = this.appendOwn("noop", new Uint8Array(0));
  }

  /** Records a vote in the current term, to be sent once durable. */
  voteFor(candidate: ReplicaId): void {
    assert(this.votedFor === null || this.votedFor === candidate, "a second vote in a term");
    assert(this.damagedUpTo === null, "a damaged replica votes");
    if (this.votedFor !== candidate) {
      this.votedFor = candidate;
      this.#hardStateChanged = true;
    }
    this.electionElapsed = 0;
  }

  /** Weight and performance shorten the wait, so that good leaders stand first; never below `electionTicks`. */
  restartElectionTimer(): void {
    const { electionTicks } = this.options;
    let heaviest = 1;
    for (const voter of this.configuration.voters) heaviest = Math.max(heaviest, voter.weight);
    const merit = (weightOf(this.configuration, this.id) / heaviest) * this.performance;
    const handicap = Math.floor(electionTicks * 0.4 * (1 - Math.min(1, Math.max(0, merit))));
    const spread = Math.max(SPREAD_TICKS_MIN, Math.floor(electionTicks * 0.6));
    this.electionElapsed = 0;
    const waitTicks = electionTicks + handicap + this.random.below(spread);
    // A lone voter has nobody whose leadership it could disturb.
    this.electionTimeout = this.isLoneVoter ? 1 : waitTicks;
  }

  /** Progress of exactly the other replicas of the latest configuration. */
  syncProgress(): void {
    const replicas = replicasOf(this.configuration);
    for (const replica of this.progress.keys()) {
      if (!replicas.has(replica)) this.progress.delete(replica);
    }
    const limits = {
      countMax: this.options.inflightCountMax,
      sizeBytesMax: this.options.inflightBytesMax,
    };
    for (const replica of replicas) {
      if (replica === this.id || this.progress.has(replica)) continue;
      const next = (this.log.lastIndex + 1) as LogIndex;
      this.progress.set(replica, new Progress(replica, next, limits));
    }
    if (this.transferTarget !== null && !this.progress.has(this.transferTarget)) {
      this.transferTarget = null;
    }
  }

  /** What a replica is known to hold synced; its own log counts once it is durable (Raft thesis 10.2.1). */
  matchOf(replica: ReplicaId): LogIndex {
    if (replica === this.id) return this.log.stableIndex;
    return this.progress.get(replica)?.match ?? (0 as LogIndex);
  }

  // The log.

  /** Appends an entry of the leader's own. */
  appendOwn(kind: LogEntry["kind"], payload: Uint8Array): LogIndex {
    assert(this.role === "leader", "only a leader appends an entry of its own", this.role);
    const index = (this.log.lastIndex + 1) as LogIndex;
    const entry: LogEntry = { index, term: this.term, kind, payload };
    this.appendToLog([entry]);
    const sizeBytes = entrySizeBytes(entry);
    this.uncommitted.push({ index, sizeBytes });
    this.uncommittedBytes += sizeBytes;
    if (kind === "configuration") this.syncProgress();
    return index;
  }

  appendToLog(entries: readonly LogEntry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    assert(first.index > this.commitIndex, "a committed entry would be replaced", first.index);
    this.log.append(entries);
    this.configurations.append(entries);
    for (const write of this.#pending) {
      if (write.lastIndex >= first.index) write.lastIndex = (first.index - 1) as LogIndex;
    }
  }

  commitTo(index: LogIndex): boolean {
    if (index <= this.commitIndex) return false;
    assert(index <= this.log.lastIndex, "the commit is past the log's end", index);
    this.commitIndex = index;
    this.#clearDamage();
    return true;
  }

  /** Replaces log and state by an installed snapshot, as a write of its own. Returns the write's sequence. */
  restore(snapshot: SnapshotMeta): number {
    assert(
      snapshot.index > this.commitIndex,
      "a snapshot behind the commit index replaces the log",
    );
    if (snapshot.term > this.term) this.becomeFollower(snapshot.term, null);
    this.log.reset(snapshot);
    this.configurations.reset(snapshot);
    for (const write of this.#pending) write.lastIndex = 0 as LogIndex;
    // What they rest on will not be written any more.
    this.#gathering = [];
    this.commitIndex = snapshot.index;
    this.handedIndex = snapshot.index;
    this.needsState = false;
    this.#clearDamage();
    this.#sequence++;
    this.#pending.push({
      sequence: this.#sequence,
      lastIndex: snapshot.index,
      messages: [],
      selfVoteTerm: null,
    });
    return this.#sequence;
  }

  /** For a message that rests on nothing that is yet to be written. */
  emit(message: Message): void {
    this.outbox.push(message);
  }

  /** For a message that may go only once all that was changed so far is durable. */
  emitDurable(message: Message): void {
    const last = this.#pending.at(-1);
    if (this.hasWrite) this.#gathering.push(message);
    else if (last !== undefined) last.messages.push(message);
    else this.outbox.push(message);
  }

  get hasWrite(): boolean {
    return this.#hardStateChanged || this.log.hasTail;
  }

  /** Its vote for itself is not durable yet: nobody has been asked, and a later term would gain nothing. */
  get awaitsOwnVote(): boolean {
    const isPending = this.#pending.some(({ selfVoteTerm }) => selfVoteTerm === this.term);
    return this.role === "candidate" && (isPending || this.#selfVoteTerm === this.term);
  }

  takeWrite(): RaftWrite | null {
    if (!this.hasWrite) return null;
    const hardState = this.#hardStateChanged ? { term: this.term, votedFor: this.votedFor } : null;
    this.#sequence++;
    this.#pending.push({
      sequence: this.#sequence,
      lastIndex: this.log.lastIndex,
      messages: this.#gathering,
      selfVoteTerm: this.#selfVoteTerm,
    });
    this.#gathering = [];
    this.#selfVoteTerm = null;
    this.#hardStateChanged = false;
    return { sequence: this.#sequence, hardState, entries: this.log.takeTail() };
  }

  /** Everything up to the write `sequence` is durable. True when the vote for oneself now counts. */
  persisted(sequence: number): boolean {
    let isSelfVoteDurable = false;
    for (;;) {
      const write = this.#pending[0];
      if (write === undefined || write.sequence > sequence) break;
      this.#pending.shift();
      this.log.stableTo(write.lastIndex);
      for (const message of write.messages) {
        // An append may have ended the candidacy and replaced the log that it stood with.
        const isStanding = this.role === "candidate" && message.term === this.term;
        if (message.kind !== "voteRequest" || isStanding) this.outbox.push(message);
      }
      if (this.role === "candidate" && write.selfVoteTerm === this.term) {
        this.votes.set(this.id, true);
        isSelfVoteDurable = true;
      }
    }
    return isSelfVoteDurable;
  }

  #setTerm(term: Term, votedFor: ReplicaId | null): void {
    if (term === this.term) return;
    this.term = term;
    this.votedFor = votedFor;
    this.#hardStateChanged = true;
  }

  #leaveRole(): void {
    this.votes.clear();
    this.progress.clear();
    this.noopIndex = 0 as LogIndex;
    this.transferTarget = null;
    this.reads = new ReadRounds(this.options.readsWaitingMax);
    this.uncommittedBytes = 0;
    this.uncommitted.length = 0;
  }

  #clearDamage(): void {
    if (this.damagedUpTo !== null && this.commitIndex >= this.damagedUpTo) this.damagedUpTo = null;
  }
}
