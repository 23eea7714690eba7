/**
 * Hosts all Raft groups of a node. A turn runs in this order:
 *
 * 1. collect: messages, ticks, proposals and durable writes have stepped the replicas since the last turn;
 * 2. send: all that rests on no write still under way, one frame a peer for all groups. A leader's appends are among
 *    it, so that followers write at the same time as it does (Raft thesis 10.2.1);
 * 3. apply: what is committed and durable here goes to the state machines, after changes of leadership;
 * 4. persist: if no write is under way, everything all groups have to write goes into one `LogStore.append`. When it
 *    is durable the replicas are told, which releases votes and acknowledgements, and the next turn runs.
 *
 * Turns are microtasks: a proposal is sent and written in the turn of the event loop that made it. Time comes from
 * one timer for all groups, which is set for the tick at which one of them has something to do.
 */

import {
  assert,
  type GroupId,
  MyceliumError,
  type NodeId,
  nodeOfReplica,
  present,
  type ReplicaId,
  type Term,
} from "../../base/index.ts";
import {
  bootstrapSnapshot,
  type Configuration,
  emptySnapshot,
  type Message,
  RaftNode,
  type SnapshotMeta,
} from "../../domain/raft/index.ts";
import type { GroupLog, LogWrite, RecoveredGroup, StateMachine } from "../../ports/index.ts";
import { CommitNews } from "./commit-news.ts";
import { DeferredLog } from "./deferred-log.ts";
import { isRefusal, readFrame } from "./frame.ts";
import { closedError, type GroupHost, HostedGroup, passTicks } from "./hosted-group.ts";
import { LogWriter, logFailed, type Written } from "./log-writer.ts";
import { mayBeOfNonVoter } from "./message-rights.ts";
import { isMissing } from "./missing-snapshot.ts";
import { type ConsensusOptions, raftOptionsOf } from "./options.ts";
import { Outbox } from "./outbox.ts";
import { PromiseExchange } from "./promise-exchange.ts";
import { ReadinessWatch } from "./readiness-watch.ts";
import type { ConsensusStatus, GroupStatus } from "./status.ts";
import { TickTimer } from "./tick-timer.ts";

export interface OpenGroup {
  readonly group: GroupId;
  /** This node's replica in it. */
  readonly replica: ReplicaId;
  /** `ShardPosition.installed`: a log behind it is reset to it. */
  readonly installed: SnapshotMeta | null;
  /** Called once, before the group takes part. `appliedIndex()` of what it returns must be right at once. */
  readonly makeStateMachine: (log: GroupLog) => StateMachine;
}

export class Consensus {
  readonly #options: ConsensusOptions;
  readonly #recovered = new Map<GroupId, RecoveredGroup>();
  readonly #groups = new Map<GroupId, HostedGroup>();
  readonly #awake = new Set<HostedGroup>();
  readonly #outbox: Outbox;
  readonly #host: GroupHost;
  readonly #writer: LogWriter;
  readonly #readiness: ReadinessWatch;
  readonly #news: CommitNews;
  readonly promises: PromiseExchange;
  #turnIsQueued = false;
  readonly #ticks: TickTimer;
  #failure: MyceliumError | null = null;
  #isStopped = false;

  constructor(options: ConsensusOptions) {
    this.#options = options;
    const { clock, settings, firstContext = 0 } = options;
    const outbox = new Outbox(options.transport);
    this.#outbox = outbox;
    this.#host = { ...options, firstContext, outbox, wake: (group) => this.#wake(group) };
    this.#readiness = new ReadinessWatch(this.#host, this.#groups);
    this.#news = new CommitNews(this.#host, this.#groups);
    this.promises = new PromiseExchange(options, this.#groups, (error) =>
      this.#end(error, options.onForgotten ?? options.onFailure),
    );
    this.#ticks = new TickTimer(clock, settings.tickMs, (ticks) => this.#tick(ticks));
    this.#writer = new LogWriter(options, {
      durable: (written) => this.#durable(written),
      full: () => {
        for (const group of this.#groups.values()) group.handOver("the disk is full");
      },
      failed: (error) => this.#fail(error),
    });
  }

  // Start and stop.

  /** Opens the log. Resolves with the groups it holds, none of them open. */
  async start(): Promise<readonly RecoveredGroup[]> {
    const recovered = await this.#options.logStore.open();
    for (const group of recovered) this.#recovered.set(group.group, group);
    return recovered;
  }

  /** Makes a group that starts with `configuration` on every replica that is made so. */
  bootstrap(group: GroupId, configuration: Configuration): Promise<void> {
    return this.#create(group, bootstrapSnapshot(configuration));
  }

  /** Makes an empty replica of a group that lives elsewhere: it waits for that group's leader. */
  joinEmpty(group: GroupId): Promise<void> {
    return this.#create(group, emptySnapshot());
  }

  holds(group: GroupId): boolean {
    return this.#recovered.has(group);
  }

  /** Begins to take part in a group that was recovered, bootstrapped or joined. */
  async open({ group, replica, installed, makeStateMachine }: OpenGroup): Promise<GroupLog> {
    assert(!this.#groups.has(group), `group ${group} is opened once`);
    const { logStore, random, settings } = this.#options;
    let recovered = present(this.#recovered.get(group), `the log of group ${group}`);
    if (installed !== null && isMissing(logStore, recovered, installed)) {
      await logStore.reset(group, installed);
      recovered = { ...recovered, snapshot: installed, lastIndex: installed.index };
    }
    // The machine is made before the replica, which starts from what the machine has applied.
    const log = new DeferredLog();
    const stateMachine = makeStateMachine(log);
    const node = new RaftNode({
      id: replica,
      options: raftOptionsOf(settings),
      random: random.fork(),
      reader: {
        entries: (from, to, sizeBytesMax) => logStore.entries(group, from, to, sizeBytesMax),
        termOf: (index) => logStore.termOf(group, index),
      },
      hardState: recovered.hardState,
      snapshot: recovered.snapshot,
      lastIndex: recovered.lastIndex,
      appliedIndex: stateMachine.appliedIndex(),
      damagedUpTo: recovered.damagedUpTo,
    });
    const hosted = new HostedGroup(this.#host, group, node);
    log.group = hosted;
    // It has lived for no tick yet.
    this.#catchUp();
    this.#groups.set(group, hosted);
    hosted.attach(stateMachine);
    this.#wake(hosted);
    return hosted;
  }

  /** Stops taking part in a group and removes its log, votes included. */
  async remove(group: GroupId): Promise<void> {
    const hosted = this.#groups.get(group);
    hosted?.close(closedError());
    if (hosted !== undefined) this.#awake.delete(hosted);
    this.#groups.delete(group);
    this.#recovered.delete(group);
    await this.#options.logStore.remove(group);
  }

  /** Hands leadership over, waits for that at most an election timeout, and stops. Does not close the log. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    if (this.#failure === null) await this.handOverAll();
    this.#isStopped = true;
    this.#writer.stop();
    this.#stopTimers();
    for (const group of this.#groups.values()) group.close(closedError());
  }

  // Inputs.

  /** A frame of the channel "raft" from a member. What is malformed is counted and dropped. */
  receive(from: NodeId, frame: Uint8Array): void {
    if (!this.#isRunning) return;
    this.#catchUp();
    try {
      for (const { group, message } of readFrame(frame, from, this.#options.node)) {
        this.#step(from, group, message);
      }
    } catch (error) {
      this.#refuse(from, error);
    }
  }

  /** The link to a node is gone: what was under way to it is lost. */
  linkDown(node: NodeId): void {
    for (const group of this.#groups.values()) {
      for (const { replica } of group.node.status().peers) {
        if (nodeOfReplica(replica) === node) group.node.unreachable(replica);
      }
    }
  }

  /** Resolves when `target` is a group's committed configuration. Leader only; see `HostedGroup.changeMembers`. */
  changeMembers(group: GroupId, target: Configuration, timeoutMs: number): Promise<void> {
    const hosted = this.#groups.get(group);
    if (hosted === undefined || !this.#isRunning) return Promise.reject(closedError());
    return hosted.changeMembers(target, timeoutMs);
  }

  /** 0 to 1, for all groups: better nodes stand earlier for election. */
  setPerformance(performance: number): void {
    for (const group of this.#groups.values()) group.node.setPerformance(performance);
  }

  /** This node is done with a group's leader of `term`: it stands, and votes, against it. See `disownLeader`. */
  disown(group: GroupId, term: Term, reason: string): void {
    if (this.#isRunning) this.#groups.get(group)?.disown(term, reason);
  }

  // Views.

  /** The configuration in force, committed or not; null for a group that is not open. */
  configuration(group: GroupId): Configuration | null {
    return this.#groups.get(group)?.node.configuration ?? null;
  }

  /** The replica itself, for checkers of invariants in tests. */
  replica(group: GroupId): RaftNode | null {
    return this.#groups.get(group)?.node ?? null;
  }

  groupStatus(group: GroupId): GroupStatus | null {
    return this.#groups.get(group)?.status() ?? null;
  }

  status(): ConsensusStatus {
    const failure = this.#failure;
    return {
      failure: failure === null ? null : { code: failure.code, message: failure.message },
      groups: [...this.#groups.values()].map((group) => group.status()),
    };
  }

  get #isRunning(): boolean {
    return !this.#isStopped && this.#failure === null;
  }

  async #create(group: GroupId, snapshot: SnapshotMeta): Promise<void> {
    assert(!this.#recovered.has(group), `group ${group} is there already`);
    await this.#options.logStore.create(group, snapshot);
    this.#recovered.set(group, {
      group,
      hardState: { term: 0 as SnapshotMeta["term"], votedFor: null },
      snapshot,
      lastIndex: snapshot.index,
      damagedUpTo: null,
    });
  }

  #step(from: NodeId, group: GroupId, message: Message): void {
    const hosted = this.#groups.get(group);
    if (hosted === undefined) return;
    if (this.#options.mayVote?.(from) === false && !mayBeOfNonVoter(message, hosted.node.term)) {
      this.#options.metrics.count("mycelium_raft_refused_total", 1, { code: "FORBIDDEN" });
      return;
    }
    this.promises.note(from, group, message);
    hosted.step(message);
    this.#wake(hosted);
  }

  #refuse(from: NodeId, error: unknown): void {
    if (!(error instanceof MyceliumError)) throw error;
    if (!isRefusal(error)) {
      this.#fail(error);
      return;
    }
    this.#options.metrics.count("mycelium_raft_refused_total", 1, { code: error.code });
    this.#options.logger.debug("raft message refused", { from, error: error.message });
  }

  /** Before a message is taken: what it resets must not be counted on from before it. */
  #catchUp(): void {
    const ticks = this.#ticks.count();
    if (ticks === 0) return;
    passTicks(this.#groups.values(), ticks, this.#options.clock.monotonicMs());
    for (const group of this.#groups.values()) this.#wake(group);
  }

  #tick(ticks: number): void {
    if (!this.#isRunning) return;
    passTicks(this.#groups.values(), ticks, this.#options.clock.monotonicMs());
    for (const group of this.#groups.values()) this.#awake.add(group);
    this.#turn();
  }

  #wake(group: HostedGroup): void {
    this.#awake.add(group);
    if (this.#turnIsQueued) return;
    this.#turnIsQueued = true;
    queueMicrotask(this.#turn);
  }

  readonly #turn = (): void => {
    this.#turnIsQueued = false;
    if (!this.#isRunning) return;
    try {
      // Collecting may wake groups again: a set is walked to its end, what was added meanwhile included.
      for (const group of this.#awake) {
        this.#awake.delete(group);
        group.collect();
        this.#ticks.plan(group.ticksUntilDue());
      }
      this.#send();
      this.#persist();
      this.#readiness.watch();
      this.#news.watch();
    } catch (error) {
      if (!(error instanceof MyceliumError)) throw error;
      // Reading the log back failed: what is there is not what was written.
      this.#fail(error);
    }
  };

  #send(): void {
    for (const node of this.#outbox.send()) this.linkDown(node);
  }

  #persist(): void {
    if (this.#writer.isBusy) return;
    if (this.#replaceByInstalled()) return;
    const writes: LogWrite[] = [];
    const written: { readonly group: HostedGroup; readonly sequence: number }[] = [];
    for (const group of this.#groups.values()) {
      const write = group.takeWrite();
      if (write === null) continue;
      writes.push({ group: group.id, hardState: write.hardState, entries: write.entries });
      written.push({ group, sequence: write.sequence });
    }
    if (writes.length > 0) this.#writer.follow(this.#options.logStore.append(writes), written);
  }

  /** True when a log is being replaced by a snapshot, which is a write like any other. */
  #replaceByInstalled(): boolean {
    for (const group of this.#groups.values()) {
      const installed = group.takeInstalled();
      if (installed === null) continue;
      const sequence = group.node.snapshotInstalled(installed);
      this.#wake(group);
      if (sequence === null) continue;
      const reset = this.#options.logStore.reset(group.id, installed);
      this.#writer.follow(reset, [{ group, sequence }]);
      return true;
    }
    return false;
  }

  #durable(written: Written): void {
    if (!this.#isRunning) return;
    for (const { group, sequence } of written) {
      group.node.persisted(sequence);
      this.#awake.add(group);
    }
    this.#turn();
  }

  #stopTimers(): void {
    this.#ticks.stop();
    this.#readiness.stop();
    this.#news.stop();
  }

  #fail(cause: unknown): void {
    if (!(cause instanceof MyceliumError)) throw cause;
    this.#end(logFailed(cause), this.#options.onFailure);
  }

  /** Stops acknowledging for good; others are asked to take over. */
  #end(failure: MyceliumError, tell: (failure: MyceliumError) => void): void {
    if (!this.#isRunning) return;
    this.#options.logger.error("consensus stopped", { error: failure.message });
    for (const group of this.#groups.values()) {
      for (const message of group.node.stepDown()) this.#outbox.add(group.id, message);
    }
    this.#send();
    this.#failure = failure;
    this.#writer.stop();
    this.#stopTimers();
    for (const group of this.#groups.values()) group.close(failure);
    tell(failure);
  }

  /** Asks others to lead what this node leads; resolves when they do, or after an election timeout. */
  async handOverAll(): Promise<void> {
    const led = () => this.status().groups.some(({ peers }) => peers.some((one) => one.isActive));
    for (const group of this.#groups.values()) group.handOver("this node stops");
    const { clock, settings } = this.#options;
    const deadlineMs = clock.monotonicMs() + settings.electionMs;
    while (this.#isRunning && led() && clock.monotonicMs() < deadlineMs) {
      await new Promise<void>((resolve) => clock.after(settings.tickMs, resolve));
    }
  }
}
