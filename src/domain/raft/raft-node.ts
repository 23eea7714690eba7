/**
 * One replica of one Raft group: a pure state machine in the shape of etcd-io/raft. The host gives inputs (`tick`,
 * `step`, `propose`, ...), then takes `takeReady()` and sends, applies and answers, and takes `takeWrite()` when it
 * can write, persists it, and says `persisted`. The order between the two is free: nothing in `Ready` rests on a
 * write that is not durable.
 */

import {
  assert,
  type LogIndex,
  MyceliumError,
  type Random,
  type ReplicaId,
  type Term,
} from "../../base/index.ts";
import {
  type Configuration,
  configurationProblem,
  encodeConfiguration,
  equalConfigurations,
  isJoint,
  isVoter,
  makeConfiguration,
} from "./configuration.ts";
import { nextConfiguration } from "./configuration-change.ts";
import { countVotes, disownLeader } from "./election.ts";
import {
  BOOTSTRAP_INDEX,
  entrySizeBytes,
  type HardState,
  type LogEntry,
  type LogReader,
  type SnapshotMeta,
} from "./entry.ts";
import { acknowledge, askForState } from "./following.ts";
import {
  advanceCommit,
  anyCommitNews,
  beginReads,
  bestSuccessor,
  continueTransfer,
  sendToAll,
} from "./leading.ts";
import type { Message } from "./message.ts";
import type { RaftOptions } from "./options.ts";
import { RaftCore, type RaftRole } from "./raft-core.ts";
import { RaftLog } from "./raft-log.ts";
import type { RaftWrite, ReadState, Ready } from "./ready.ts";
import type { RaftStatus } from "./status.ts";
import { statusOf } from "./status.ts";
import { stepMessage } from "./stepping.ts";
import { heartbeatWithin, tickReplica, ticksUntilDue, ticksUntilHeartbeat } from "./ticking.ts";

export interface RaftStart {
  readonly id: ReplicaId;
  readonly options: RaftOptions;
  readonly random: Random;
  readonly reader: LogReader;
  readonly hardState: HardState;
  readonly snapshot: SnapshotMeta;
  readonly lastIndex: LogIndex;
  /** What the state machine holds: these entries are not handed out again. */
  readonly appliedIndex: LogIndex;
  readonly damagedUpTo: LogIndex | null;
}

export type ConfigurationRefusal = "notLeader" | "notReady" | "changing" | "unchanged";
export type TransferRefusal = "notLeader" | "notVoter";

const NO_READS: readonly ReadState[] = [];
const NO_MESSAGES: readonly Message[] = [];

export class RaftNode {
  readonly #core: RaftCore;
  /** Handed out for applying and not reported applied: oldest at the head. */
  #applying: { readonly index: LogIndex; readonly sizeBytes: number }[] = [];
  #applyingBytes = 0;

  constructor(start: RaftStart) {
    const log = new RaftLog(start.reader, start.snapshot, start.lastIndex);
    // A machine that has nothing yet is at the bootstrap's state.
    const atBootstrap = start.snapshot.index <= BOOTSTRAP_INDEX;
    const appliedIndex = atBootstrap
      ? (Math.max(start.appliedIndex, start.snapshot.index) as LogIndex)
      : start.appliedIndex;
    this.#core = new RaftCore({ ...start, log, appliedIndex });
    this.#core.configurations.scan(log);
    this.#core.restartElectionTimer();
  }

  // Inputs.

  /** One tick of the host's clock has passed. */
  tick(): void {
    tickReplica(this.#core);
  }

  /** Has the next heartbeat go in so many ticks at most: with those of other groups. */
  heartbeatWithin(ticks: number): void {
    heartbeatWithin(this.#core, ticks);
  }

  /** A message to this replica. Throws MALFORMED on what only a broken or hostile peer sends. */
  step(message: Message): void {
    stepMessage(this.#core, message);
  }

  /**
   * Appends commands to the leader's log; the index of the first, or null when this replica does not lead, is handing
   * over, has not committed its no-op, or has too much uncommitted (an empty tail takes any size).
   */
  propose(payloads: readonly Uint8Array[]): LogIndex | null {
    const core = this.#core;
    if (!this.canPropose || payloads.length === 0) return null;
    const first = (core.log.lastIndex + 1) as LogIndex;
    for (const payload of payloads) core.appendOwn("command", payload);
    return first;
  }

  get canPropose(): boolean {
    const core = this.#core;
    return (
      core.role === "leader" &&
      core.transferTarget === null &&
      core.commitIndex >= core.noopIndex &&
      (core.uncommitted.length === 0 ||
        (core.uncommittedBytes < core.options.uncommittedBytesMax &&
          core.uncommitted.length < core.options.uncommittedCountMax))
    );
  }

  /**
   * Leads the group to `target`, through a joint configuration where needed. Null when it is proposed, else why not.
   * Throws BAD_ARGUMENT on a configuration that cannot be used.
   */
  proposeConfiguration(target: Configuration): ConfigurationRefusal | null {
    const core = this.#core;
    const wanted = makeConfiguration({ voters: target.voters, learners: target.learners });
    const problem = wanted.voters.length === 0 ? "a voter" : configurationProblem(wanted);
    if (problem !== null) {
      throw new MyceliumError("BAD_ARGUMENT", `Cannot change the members: needed ${problem}`);
    }
    if (core.role !== "leader" || core.transferTarget !== null) return "notLeader";
    // Without an entry of its own term committed it cannot know what is the latest configuration.
    if (core.commitIndex < core.noopIndex) return "notReady";
    const { index, configuration } = core.configurations.latest;
    if (index > core.commitIndex || isJoint(configuration)) return "changing";
    if (equalConfigurations(configuration, wanted)) return "unchanged";
    core.appendOwn("configuration", encodeConfiguration(nextConfiguration(configuration, wanted)));
    return null;
  }

  /** Hands leadership to `target`, or to the best voter; given up after an election timeout. */
  transferLeadership(target: ReplicaId | null): TransferRefusal | null {
    const core = this.#core;
    if (core.role !== "leader") return "notLeader";
    // Asked again, it goes on: its time must not begin anew.
    const chosen = target ?? core.transferTarget ?? bestSuccessor(core);
    if (chosen !== null && chosen === core.transferTarget) return null;
    if (chosen === null || chosen === core.id || !isVoter(core.configuration, chosen)) {
      return "notVoter";
    }
    core.transferTarget = chosen;
    core.electionElapsed = 0;
    continueTransfer(core);
    return null;
  }

  /**
   * Asks for a read index; the answer comes as a `ReadState` with this `context`, or never (ask again after a change
   * of leader or a timeout). False when nobody can be asked now.
   */
  readIndex(context: number): boolean {
    const core = this.#core;
    if (core.role === "leader") {
      if (!core.reads.ask({ from: null, context })) return false;
      beginReads(core);
      return true;
    }
    if (core.leader === null) return false;
    core.emit({ kind: "readRequest", from: core.id, to: core.leader, term: core.term, context });
    return true;
  }

  /** See `disownLeader`. */
  disown(term: Term): boolean {
    return disownLeader(this.#core, term);
  }

  /** The write with this sequence and all before it are durable. */
  persisted(sequence: number): void {
    if (this.#core.persisted(sequence)) countVotes(this.#core);
    if (this.#core.role === "leader") advanceCommit(this.#core);
  }

  /** What was handed out is not all reported applied. */
  get isApplying(): boolean {
    return this.#applying.length > 0;
  }

  /** The state machine has applied up to `index`: more can be handed out. */
  applied(index: LogIndex): void {
    let part = this.#applying[0];
    for (; part !== undefined && part.index <= index; part = this.#applying[0]) {
      this.#applyingBytes -= part.sizeBytes;
      this.#applying.shift();
    }
  }

  /**
   * The state machine holds the state of `snapshot`. Returns the sequence of the write that replaces the log by it,
   * to be given to `persisted` once that is durable, or null when the log already agrees and stays.
   */
  snapshotInstalled(snapshot: SnapshotMeta): number | null {
    const core = this.#core;
    const atLeast = core.installing?.atLeast ?? snapshot.index;
    assert(snapshot.index >= atLeast, `a snapshot at ${snapshot.index}, not from ${atLeast} on`);
    core.installing = null;
    this.#applying = [];
    this.#applyingBytes = 0;
    const isHeld =
      core.log.termOf(snapshot.index) === snapshot.term || snapshot.index <= core.commitIndex;
    if (isHeld) {
      core.commitTo(snapshot.index);
      core.handedIndex = Math.max(snapshot.index, core.log.snapshot.index) as LogIndex;
      core.needsState = snapshot.index < core.log.snapshot.index;
      acknowledge(core, core.commitIndex);
      return null;
    }
    const sequence = core.restore(snapshot);
    acknowledge(core, snapshot.index);
    return sequence;
  }

  /** It could not be installed; the leader offers again, or it is asked for again after an election timeout. */
  snapshotFailed(): void {
    const core = this.#core;
    core.installing = null;
    core.stateWaitTicks = core.options.electionTicks;
  }

  /** Messages to this replica are lost: what was sent to it is looked for again. */
  unreachable(replica: ReplicaId): void {
    const progress = this.#core.progress.get(replica);
    if (progress?.state === "replicate" && progress.inflightCount > 0) progress.becomeProbe();
  }

  /** Whether a follower has yet to hear of something committed; `tellCommits` has the next `takeReady` tell it. */
  get hasCommitNews(): boolean {
    return anyCommitNews(this.#core);
  }

  tellCommits(): void {
    this.#core.commitNewsDue = true;
  }

  /** 0 to 1, from uptime, latency and answered proposals: better ones stand earlier. Never changes quorums. */
  setPerformance(performance: number): void {
    this.#core.performance = performance;
  }

  /**
   * Gives up leadership or candidacy without waiting. Returns the message that has the best voter stand, if this
   * replica led: it may be sent also when nothing can be written or read any more.
   */
  stepDown(): readonly Message[] {
    const core = this.#core;
    const successor = core.role === "leader" ? bestSuccessor(core) : null;
    if (core.role !== "follower") core.becomeFollower(core.term, null);
    if (successor === null) return NO_MESSAGES;
    return [{ kind: "timeoutNow", from: core.id, to: successor, term: core.term }];
  }

  /** Cuts the log at `index`, which is applied. Returns the new cut, or null when it is there already. */
  compact(index: LogIndex): SnapshotMeta | null {
    const core = this.#core;
    const { handedIndex, commitIndex, log } = core;
    const cut = Math.min(index, handedIndex, commitIndex, log.stableIndex) as LogIndex;
    if (cut <= core.log.snapshot.index || core.needsState || core.installing !== null) return null;
    const snapshot = this.metaAt(cut);
    core.log.compact(snapshot);
    core.configurations.compact(cut);
    return snapshot;
  }

  // Outputs.

  /** What can be done now. Call until it is empty, or again after the next input. */
  takeReady(): Ready {
    const core = this.#core;
    if (core.role === "leader") sendToAll(core);
    askForState(core);
    const committed = this.#takeCommitted();
    const messages = core.outbox.length === 0 ? NO_MESSAGES : core.outbox.splice(0);
    const reads = core.confirmedReads.length === 0 ? NO_READS : core.confirmedReads.splice(0);
    const snapshot = core.installRequested ? core.installing : null;
    core.installRequested = false;
    return { messages, committed, reads, snapshot };
  }

  /** What is to be persisted, all in one; null when nothing is. */
  takeWrite(): RaftWrite | null {
    return this.#core.takeWrite();
  }

  get hasWrite(): boolean {
    return this.#core.hasWrite;
  }

  // Views.

  /** Ticks to the next one that does more than count. At least 1; messages may put it off or bring it nearer. */
  get ticksUntilDue(): number {
    return ticksUntilDue(this.#core);
  }

  get ticksUntilHeartbeat(): number {
    return ticksUntilHeartbeat(this.#core);
  }

  get id(): ReplicaId {
    return this.#core.id;
  }

  get role(): RaftRole {
    return this.#core.role;
  }

  get term(): Term {
    return this.#core.term;
  }

  get votedFor(): ReplicaId | null {
    return this.#core.votedFor;
  }

  get leader(): ReplicaId | null {
    return this.#core.leader;
  }

  get commitIndex(): LogIndex {
    return this.#core.commitIndex;
  }

  get lastIndex(): LogIndex {
    return this.#core.log.lastIndex;
  }

  get snapshotIndex(): LogIndex {
    return this.#core.log.snapshot.index;
  }

  /** Of a leader: its first entry, which it leads from once it is applied; 0 elsewhere. */
  get noopIndex(): LogIndex {
    return this.#core.noopIndex;
  }

  /** The latest in the log, committed or not. */
  get configuration(): Configuration {
    return this.#core.configuration;
  }

  get configurationIndex(): LogIndex {
    return this.#core.configurations.latest.index;
  }

  /** Where the log holds `index`: the snapshot that would stand for it. */
  metaAt(index: LogIndex): SnapshotMeta {
    const core = this.#core;
    const term = core.log.termOf(index);
    assert(term !== null, `index ${index} is not in the log`);
    const configuration = encodeConfiguration(core.configurations.at(index));
    return { index, term, configuration };
  }

  termOf(index: LogIndex): Term | null {
    return this.#core.log.termOf(index);
  }

  status(): RaftStatus {
    return statusOf(this.#core);
  }

  #takeCommitted(): readonly LogEntry[] {
    const core = this.#core;
    if (core.needsState || core.installing !== null) return [];
    const to = Math.min(core.commitIndex, core.log.stableIndex) as LogIndex;
    const room = core.options.applyBytesMax - this.#applyingBytes;
    if (to <= core.handedIndex || room <= 0) return [];
    const entries = core.log.entries((core.handedIndex + 1) as LogIndex, to, room);
    let sizeBytes = 0;
    for (const entry of entries) sizeBytes += entrySizeBytes(entry);
    core.handedIndex = (core.handedIndex + entries.length) as LogIndex;
    this.#applying.push({ index: core.handedIndex, sizeBytes });
    this.#applyingBytes += sizeBytes;
    return entries;
  }
}
