/**
 * One Raft group on this node: the replica, the state machine it feeds, and those who wait for either. Collected from
 * by `Consensus` once a turn; tells it by `wake` that there is something to collect.
 */

import {
  type GroupId,
  type LogIndex,
  MyceliumError,
  messageOf,
  nodeOfReplica,
  type ReplicaId,
  type Term,
} from "../../base/index.ts";
import {
  BOOTSTRAP_INDEX,
  type Configuration,
  type Message,
  type RaftNode,
  type RaftWrite,
  replicasOf,
  type SnapshotMeta,
  type SnapshotRequest,
  weightOf,
  weightsOf,
} from "../../domain/raft/index.ts";
import type {
  Clock,
  GroupLog,
  Leadership,
  Logger,
  LogStore,
  Proposal,
  StateMachine,
} from "../../ports/index.ts";
import { MemberChange } from "./member-change.ts";
import { unobjected } from "./objections.ts";
import type { ConsensusSettings } from "./options.ts";
import type { Outbox } from "./outbox.ts";
import type { RecoveredReplica } from "./promises.ts";
import { ReadWaiters } from "./read-waiters.ts";
import type { GroupStatus } from "./status.ts";

/** What one proposal may weigh: a frame must carry it whole. */
export const PROPOSAL_BYTES_MAX = 8 * 1_048_576;

/** Then a look at each tick must do: the state machine is stuck or slow. */
const READY_POLLS_MAX = 250;

/** A leader that is not ready for so many election timeouts hands over. */
const UNREADY_ELECTIONS_MAX = 8;

export interface GroupHost {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly logStore: LogStore;
  readonly settings: ConsensusSettings;
  /** See `ConsensusOptions`. */
  readonly firstContext: number;
  /** Sent at the end of the turn. */
  readonly outbox: Outbox;
  /** Has the group collected from soon, in this turn of the event loop. */
  wake(group: HostedGroup): void;
}

export class HostedGroup implements GroupLog {
  readonly id: GroupId;
  readonly node: RaftNode;
  readonly found: RecoveredReplica;
  readonly #host: GroupHost;
  readonly #logger: Logger;
  readonly #reads: ReadWaiters;
  readonly #change: MemberChange;
  #stateMachine: StateMachine | null = null;
  #leadership: Leadership;
  /** A snapshot the state machine has, to replace the log by. */
  #installed: SnapshotMeta | null = null;
  #installError: string | null = null;
  #isClosed = false;
  #readyPolls = 0;
  /** When a leader was last ready, or not expected to be. */
  #readyAtMs: number;

  constructor(host: GroupHost, id: GroupId, node: RaftNode) {
    this.#host = host;
    this.#reads = new ReadWaiters(host.firstContext);
    this.id = id;
    this.node = node;
    const { id: replica, term, votedFor, lastIndex } = node;
    this.found = { replica, term, votedFor, lastIndex, damagedUpTo: node.status().damagedUpTo };
    this.#logger = host.logger.with({ group: id });
    this.#change = new MemberChange(host.settings.promoteLagEntries);
    this.#leadership = { term: node.term, leader: null, ready: false };
    this.#readyAtMs = host.clock.monotonicMs();
  }

  // What the state machine calls.

  leadership(): Leadership {
    return this.#leadership;
  }

  propose(payload: Uint8Array): Proposal | null {
    if (payload.length > PROPOSAL_BYTES_MAX) {
      throw new MyceliumError(
        "TOO_LARGE",
        `Cannot propose ${payload.length} bytes: an entry has at most ${PROPOSAL_BYTES_MAX}; split it`,
      );
    }
    if (this.#isClosed || !this.#leadership.ready) return null;
    const index = this.node.propose([payload]);
    if (index === null) return null;
    this.#host.wake(this);
    return { index, term: this.node.term };
  }

  readIndex(timeoutMs: number): Promise<LogIndex> {
    if (this.#isClosed) return Promise.reject(closedError());
    const nowMs = this.#host.clock.monotonicMs();
    const answer = this.#reads.add(nowMs + timeoutMs);
    if (this.#askForReads(nowMs)) this.#host.wake(this);
    return answer;
  }

  metaAt(index: LogIndex): SnapshotMeta {
    // A machine that no command has reached yet is at the bootstrap's state, whatever it calls that.
    const at = index < BOOTSTRAP_INDEX ? BOOTSTRAP_INDEX : index;
    if (this.node.termOf(at) !== null) return this.node.metaAt(at);
    throw new MyceliumError(
      "UNREACHABLE",
      `Cannot describe the state at ${index}: the log here begins later, its own state is still to come; ask another`,
    );
  }

  commitIndex(): LogIndex {
    return this.node.commitIndex;
  }

  compact(durableIndex: LogIndex): void {
    const { trailingEntries, compactMinEntries } = this.#host.settings;
    const cut = (durableIndex - trailingEntries) as LogIndex;
    if (this.#isClosed || cut - this.node.snapshotIndex < compactMinEntries) return;
    const snapshot = this.node.compact(cut);
    if (snapshot === null) return;
    this.#host.logStore.compact(this.id, snapshot).catch((error: unknown) => {
      if (!(error instanceof MyceliumError)) throw error;
      // The entries are merely kept; a log that cannot be written any more fails at the next append.
      this.#logger.warn("log could not be cut", { error: messageOf(error) });
    });
  }

  handOver(reason: string): void {
    const refusal = this.node.transferLeadership(null);
    if (refusal === "notLeader") return;
    this.#logger.info("handing leadership over", { reason, refusal });
    this.#host.wake(this);
  }

  /** Has this replica try for another leader than that of `term`. */
  disown(term: Term, reason: string): void {
    if (this.#isClosed || !this.node.disown(term)) return;
    this.#logger.warn("not following the leader any more", { term, reason });
    this.#host.wake(this);
  }

  weights(): ReadonlyMap<ReplicaId, number> {
    return weightsOf(this.node.configuration);
  }

  // What the agent calls, through `Consensus`.

  /** Resolves when `target` is the committed configuration. Rejects with NOT_LEADER, OVERLOADED, BAD_ARGUMENT, TIMEOUT. */
  changeMembers(target: Configuration, timeoutMs: number): Promise<void> {
    const nowMs = this.#host.clock.monotonicMs();
    const done = this.#change.begin(target, nowMs + timeoutMs);
    this.#change.advance(this.node, nowMs);
    this.#host.wake(this);
    return done;
  }

  status(): GroupStatus {
    const status = this.node.status();
    const { configuration } = this.node;
    return {
      group: this.id,
      replica: status.replica,
      role: status.role,
      term: status.term,
      leader: this.#leadership.leader,
      isReady: this.#leadership.ready,
      commitIndex: status.commitIndex,
      appliedIndex: this.#stateMachine?.appliedIndex() ?? status.commitIndex,
      lastIndex: status.lastIndex,
      firstIndex: status.firstIndex,
      members: [...replicasOf(configuration)].map((replica) => ({
        replica,
        node: nodeOfReplica(replica),
        weight: weightOf(configuration, replica),
        isLeaving: isLeaving(configuration, replica),
      })),
      isChanging: this.node.configurationIndex > status.commitIndex,
      peers: status.peers.map(({ replica, state, matchIndex, isActive }) => ({
        replica,
        node: nodeOfReplica(replica),
        state,
        matchIndex,
        lag: status.lastIndex - matchIndex,
        isActive,
      })),
      damagedUpTo: status.damagedUpTo,
      isInstalling: status.isInstalling,
      installError: this.#installError,
    };
  }

  // What `Consensus` calls.

  attach(stateMachine: StateMachine): void {
    this.#stateMachine = stateMachine;
    stateMachine.leadershipChanged(this.#leadership);
  }

  /**
   * At the latest when so many ticks have passed it must be ticked and collected from: at each while something is
   * under way that may have a deadline, else when the replica has something to do. At least 1.
   */
  ticksUntilDue(): number {
    const isLeading = this.node.role === "leader";
    const isUnderWay =
      this.#reads.isEmpty === false ||
      this.#change.isActive ||
      (isLeading && !this.#leadership.ready) ||
      this.node.isApplying;
    return isUnderWay ? 1 : this.node.ticksUntilDue;
  }

  /** A message to the replica. */
  step(message: Message): void {
    const objection = this.#stateMachine?.objection;
    const isJudged = message.kind === "append" && objection !== undefined;
    const disown = (why: string) => this.disown(message.term, why);
    this.node.step(isJudged ? unobjected(message, objection, disown) : message);
  }

  /** So many ticks of the clock have passed. */
  tick(ticks: number, nowMs: number): void {
    for (let i = 0; i < ticks; i++) this.node.tick();
    this.#giveWay(nowMs);
    this.#reads.retry(nowMs, this.#host.settings.electionMs);
    this.#reads.expire(nowMs, () => this.#noQuorumError());
  }

  /** Takes all there is to do: what is committed goes to the state machine, after the change of leadership it rests on. */
  collect(): void {
    const stateMachine = this.#stateMachine;
    if (stateMachine === null || this.#isClosed) return;
    const nowMs = this.#host.clock.monotonicMs();
    this.#change.advance(this.node, nowMs);
    for (;;) {
      this.node.applied(stateMachine.appliedIndex());
      const ready = this.node.takeReady();
      for (const message of ready.messages) this.#host.outbox.add(this.id, message);
      this.#noticeLeadership(stateMachine, nowMs);
      for (const read of ready.reads) this.#reads.answered(read.context, read.index);
      if (ready.snapshot !== null) this.#install(stateMachine, ready.snapshot);
      if (ready.committed.length > 0) stateMachine.apply(ready.committed);
      const hasAsked = this.#askForReads(nowMs);
      const { messages, committed, reads } = ready;
      if (!hasAsked && messages.length + committed.length + reads.length === 0) break;
    }
  }

  /** The leader's own no-op is committed and being applied: worth looking often, for a while. */
  shouldPollReadiness(): boolean {
    const { node } = this;
    const isApplying = node.role === "leader" && node.commitIndex >= node.noopIndex;
    if (!isApplying || this.#leadership.ready) {
      this.#readyPolls = 0;
      return false;
    }
    this.#readyPolls++;
    return this.#readyPolls < READY_POLLS_MAX;
  }

  takeWrite(): RaftWrite | null {
    return this.#isClosed ? null : this.node.takeWrite();
  }

  /** A snapshot to put in the log's place, once. */
  takeInstalled(): SnapshotMeta | null {
    const installed = this.#installed;
    this.#installed = null;
    return installed;
  }

  /** Takes part no more: who waits is told, the state machine sees no leader. */
  close(error: MyceliumError): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#reads.rejectAll(error);
    this.#change.abandon(error);
    this.#leadership = { term: this.node.term, leader: null, ready: false };
    this.#stateMachine?.leadershipChanged(this.#leadership);
  }

  /** A leader whose state machine is stuck or far behind serves nobody: let another try. */
  #giveWay(nowMs: number): void {
    const { node } = this;
    const isExpected = node.role === "leader" && node.commitIndex >= node.noopIndex;
    if (!isExpected || this.#leadership.ready) {
      this.#readyAtMs = nowMs;
    } else if (nowMs - this.#readyAtMs >= UNREADY_ELECTIONS_MAX * this.#host.settings.electionMs) {
      this.#readyAtMs = nowMs;
      this.handOver("its state machine does not catch up");
    }
  }

  /** True when a question went out: there is something to collect. */
  #askForReads(nowMs: number): boolean {
    return (
      !this.#reads.isEmpty && this.#reads.ask(nowMs, (context) => this.node.readIndex(context))
    );
  }

  #noticeLeadership(stateMachine: StateMachine, nowMs: number): void {
    const { node } = this;
    const leader = node.leader === null ? null : nodeOfReplica(node.leader);
    const ready = node.role === "leader" && stateMachine.appliedIndex() >= node.noopIndex;
    const before = this.#leadership;
    if (before.term === node.term && before.leader === leader && before.ready === ready) return;
    this.#leadership = { term: node.term, leader, ready };
    if (before.leader !== leader) {
      this.#logger.info("leader changed", { term: node.term, leader });
      this.#reads.retry(nowMs, 0);
    }
    stateMachine.leadershipChanged(this.#leadership);
  }

  #install(stateMachine: StateMachine, request: SnapshotRequest): void {
    if (request.offered !== null && request.atLeast <= BOOTSTRAP_INDEX) {
      // The empty state, which an empty machine has already.
      this.#installed = request.offered;
      this.#host.wake(this);
      return;
    }
    const source = nodeOfReplica(request.source);
    this.#logger.info("installing a snapshot", { source, atLeast: request.atLeast });
    stateMachine.installSnapshot(source, request.atLeast).then(
      (installed) => {
        this.#logger.info("snapshot installed", { index: installed.index });
        this.#installed = installed;
        this.#installError = null;
        this.#host.wake(this);
      },
      (error: unknown) => {
        if (!(error instanceof MyceliumError)) throw error;
        if (this.#isClosed) return;
        this.#installError = messageOf(error);
        this.#logger.warn("snapshot not installed", { source, error: this.#installError });
        this.node.snapshotFailed();
        this.#host.wake(this);
      },
    );
  }

  #noQuorumError(): MyceliumError {
    const { leader } = this.#leadership;
    const found =
      leader === null
        ? "no leader is known here"
        : `the leader ${leader} did not confirm it with a quorum in time`;
    return new MyceliumError(
      "NO_QUORUM",
      `Cannot read consistently: ${found}; needed a majority of the vote weight of ${this.id}; retry later or read with consistency "local"`,
    );
  }
}

/** Time has passed for all groups of a node: one frame a peer then carries the heartbeats of all. */
export function passTicks(groups: Iterable<HostedGroup>, ticks: number, nowMs: number): void {
  const all = [...groups];
  const isBeating = all.some(({ node }) => node.ticksUntilHeartbeat <= ticks);
  for (const group of all) {
    if (isBeating) group.node.heartbeatWithin(ticks);
    group.tick(ticks, nowMs);
  }
}

export function closedError(): MyceliumError {
  return new MyceliumError("CLOSED", "Cannot use consensus: it has stopped on this node");
}

function isLeaving(configuration: Configuration, replica: ReplicaId): boolean {
  const stays =
    configuration.voters.some((voter) => voter.replica === replica) ||
    configuration.learners.includes(replica);
  return !stays;
}
