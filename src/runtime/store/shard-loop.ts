/**
 * One shard's replicated state machine on one node. A single pump owns the write side of the database and does one
 * thing at a time, in this order of preference: apply what the log committed; else, on a ready leader without an
 * open batch, open the next interactive transaction or run the next batch.
 *
 * A leader's batch: gather, run in the open transaction, propose with its digest, and when that very entry comes
 * back committed, COMMIT and reply. Whatever else comes back, or a lost leadership, is a ROLLBACK. So the database
 * never holds what the quorum has not.
 */

import {
  asLogIndex,
  assert,
  errorCodeOf,
  type LogIndex,
  MyceliumError,
  messageOf,
  type NodeId,
} from "../../base/index.ts";
import {
  type Batch,
  type BatchContext,
  decodeBatch,
  encodeBatch,
  type SignedBundle,
} from "../../domain/replication/index.ts";
import {
  encodeProgram,
  type Program,
  type ProgramResult,
  type SqlRole,
} from "../../domain/sql/index.ts";
import type {
  BatchOutcome,
  CommittedBatch,
  Leadership,
  LogEntry,
  Proposal,
  ShardPosition,
  SnapshotMeta,
  StateMachine,
} from "../../ports/index.ts";
import { AppliedIndex } from "./applied-index.ts";
import { openBundle, requestsOfCommitted } from "./bundles.ts";
import { concatPrograms } from "./concat-programs.ts";
import { DigestWatch } from "./digest-watch.ts";
import { InteractiveLane, type InteractiveSession, transactionClosed } from "./interactive-lane.ts";
import type { ShardOptions } from "./options.ts";
import { ReadGate } from "./read-gate.ts";
import { SnapshotFetcher } from "./snapshot-fetcher.ts";
import {
  notLeader,
  type OpenedBundle,
  outcomeUnknown,
  requestOf,
  TaskQueue,
  type WriteTask,
} from "./write-task.ts";

/** The leader's batch between its proposal and its fate. */
interface OpenBatch {
  readonly proposal: Proposal;
  readonly timeMs: number;
  readonly digest: Uint8Array;
  readonly committed: () => void;
  readonly abandoned: (error: MyceliumError) => void;
}

/** A condition people should know of, with what to do about it. */
export interface StoreProblem {
  readonly what: string;
  readonly why: string;
  readonly todo: string;
}

export interface StoreStatus {
  readonly appliedIndex: LogIndex;
  readonly receivedIndex: LogIndex;
  readonly queuedWrites: number;
  readonly openTransactions: number;
  readonly resyncing: boolean;
  readonly problems: readonly StoreProblem[];
}

const NO_LEADERSHIP = { term: 0, leader: null, ready: false } as unknown as Leadership;

export class ShardLoop implements StateMachine {
  readonly applied: AppliedIndex;
  readonly gate: ReadGate;
  readonly digests: DigestWatch;
  readonly #options: ShardOptions;
  readonly #queue = new TaskQueue();
  readonly #lane: InteractiveLane;
  readonly #fetcher: SnapshotFetcher;
  readonly #problems = new Map<string, StoreProblem>();
  #committed: LogEntry[] = [];
  #received: LogIndex;
  #leadership: Leadership = NO_LEADERSHIP;
  #leadershipWaiters: (() => void)[] = [];
  #open: OpenBatch | null = null;
  #interactiveTerm: number | null = null;
  #pinnedTimeMs: number;
  #pumping = false;
  #interactiveTurn = false;
  #gather: () => void = () => {};
  #resyncing = false;
  /** True while a snapshot takes the place of the database: the pump rests. */
  #replacing = false;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  /** Wakes the pump's own pauses early when the loop stops. */
  #pauses = new Set<() => void>();

  constructor(options: ShardOptions, position: ShardPosition) {
    this.#options = options;
    this.applied = new AppliedIndex(options.clock, position.appliedIndex);
    this.gate = new ReadGate(options.clock, options.log, this.applied);
    this.#received = position.appliedIndex;
    this.#pinnedTimeMs = position.pinnedTimeMs;
    this.#fetcher = new SnapshotFetcher(options);
    this.#lane = new InteractiveLane(options.clock, options.limits, (session, reason) =>
      this.#expire(session, reason),
    );
    this.digests = new DigestWatch(options, {
      resync: (reason) => this.resync(reason),
      stopWrites: (problem) => this.#problems.set("digest", problem),
    });
  }

  // What consensus calls.

  apply(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      this.#committed.push(entry);
      this.#received = entry.index;
    }
    this.#pump();
  }

  appliedIndex(): LogIndex {
    return this.applied.value;
  }

  leadershipChanged(leadership: Leadership): void {
    const before = this.#leadership;
    this.#leadership = leadership;
    if (this.#leadsIn(before, before.term) && !this.leads(before.term)) this.#loseLeadership();
    for (const wake of this.#leadershipWaiters.splice(0)) wake();
    this.#gather();
    this.#pump();
  }

  async installSnapshot(source: NodeId, atLeast: LogIndex): Promise<SnapshotMeta> {
    return this.#replaceBy([source], atLeast);
  }

  // What the router and the agent call.

  get leadership(): Leadership {
    return this.#leadership;
  }

  /** Resolves at the next change of leadership. */
  nextLeadership(): Promise<void> {
    return new Promise((resolve) => this.#leadershipWaiters.push(resolve));
  }

  /** Called before each batch and at each change of leadership: the gateway here hands over what it holds. */
  onGather(gather: () => void): void {
    this.#gather = gather;
  }

  /** True while a batch is under way: what is submitted now only waits. */
  get busy(): boolean {
    return this.#pumping || this.#open !== null;
  }

  /** True when this node is the ready leader, of `term` if one is given. */
  leads(term?: number): boolean {
    if (this.#resyncing || this.#replacing) return false;
    return this.#leadsIn(this.#leadership, term ?? this.#leadership.term);
  }

  status(): StoreStatus {
    return {
      appliedIndex: this.applied.value,
      receivedIndex: this.#received,
      queuedWrites: this.#queue.count,
      openTransactions: this.#lane.waitingCount + (this.#lane.current === null ? 0 : 1),
      resyncing: this.#resyncing,
      problems: [...this.#problems.values()],
    };
  }

  /** Pinned time as of now: the wall clock, but never below the last batch's. */
  pinnedTimeMs(): number {
    return Math.max(this.#options.clock.wallMs(), this.#pinnedTimeMs);
  }

  /** Queues each request of a bundle on this leader. Throws what `openBundle` and the queue's limits refuse. */
  submit(from: NodeId, signed: SignedBundle): Promise<ProgramResult>[] {
    const bundle = this.#openSubmitted(from, signed);
    const { queueCountMax, queueBytesMax } = this.#options.limits;
    if (this.#queue.count >= queueCountMax || this.#queue.sizeBytes >= queueBytesMax) {
      throw new MyceliumError(
        "OVERLOADED",
        `Cannot accept the write: ${this.#queue.count} others wait already; retry later`,
      );
    }
    const results = bundle.requests.map(
      (_, position) =>
        new Promise<ProgramResult>((resolve, reject) => {
          this.#queue.push([{ bundle, position, alone: false, resolve, reject }]);
        }),
    );
    this.#lane.rearm(true);
    this.#pump();
    return results;
  }

  /** Waits for the batch transaction and opens it for one client. */
  async beginInteractive(author: NodeId, role: SqlRole): Promise<string> {
    if (!this.leads()) throw notLeader();
    const session: InteractiveSession = {
      id: Buffer.from(this.#options.entropy(16)).toString("hex"),
      author,
      role,
      executed: [],
      state: "waiting",
      busy: false,
      openedAtMs: 0,
      usedAtMs: 0,
      sizeBytes: 0,
    };
    const entered = this.#lane.enter(session);
    this.#lane.rearm(true);
    this.#pump();
    await entered;
    return session.id;
  }

  async stepInteractive(
    id: string,
    author: NodeId,
    program: Program,
    deadlineMs: number,
  ): Promise<ProgramResult> {
    const session = this.#session(id, author, "open");
    this.#weigh(session, program);
    session.busy = true;
    this.#lane.rearm(false);
    try {
      const result = await this.#options.database.stepInteractive(program, deadlineMs);
      if (this.#lane.current !== session) throw transactionClosed("the leader changed");
      session.executed.push(program);
      if (result.autocommit) session.state = "ended";
      return result;
    } finally {
      session.busy = false;
      session.usedAtMs = this.#options.clock.monotonicMs();
      if (this.#lane.current === session) this.#lane.rearm(this.#queue.count > 0);
    }
  }

  /** Replicates an ended transaction: `signed` holds one request with exactly what was executed. */
  async sealInteractive(id: string, author: NodeId, signed: SignedBundle): Promise<void> {
    const session = this.#session(id, author, "ended");
    const bundle = this.#openSubmitted(author, signed);
    const request = bundle.requests[0];
    const executed = encodeProgram(concatPrograms(session.executed));
    if (
      request === undefined ||
      bundle.requests.length !== 1 ||
      request.role !== session.role ||
      Buffer.compare(encodeProgram(request.program), executed) !== 0
    ) {
      this.#endInteractive(session);
      throw new MyceliumError(
        "FORBIDDEN",
        "Cannot commit: the signed request is not what was executed",
      );
    }
    session.busy = true;
    const term = this.#leadership.term;
    const context = { timeMs: this.#pinnedTimeMs, seed: this.#interactiveSeed };
    try {
      const outcome = await this.#options.database.sealInteractive(request);
      if (this.#lane.current !== session || !this.leads(term)) {
        throw transactionClosed("the leader changed");
      }
      if (outcome.outcomes[0]?.kind === "applied") {
        const batch = { context, bundles: [signed], skipped: [], digest: outcome.digest };
        return await this.#proposeInteractive(batch);
      }
    } finally {
      this.#endInteractive(session);
    }
    return this.gate.strong(this.#options.limits.retryMs);
  }

  /** Hands the open transaction over from its session to the log. Resolves when it is committed. */
  #proposeInteractive(batch: Batch): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      if (!this.#propose(batch, resolve, reject))
        return reject(transactionClosed("the leader changed"));
      this.#interactiveTerm = null;
      this.#lane.release();
    });
  }

  closeInteractive(id: string, author: NodeId): void {
    const session = this.#lane.current;
    if (session?.id === id && session.author === author) this.#endInteractive(session);
  }

  /** Throws the database away and fetches another replica's. Goes on trying until it succeeds or the loop stops. */
  async resync(reason: string): Promise<void> {
    if (this.#resyncing || this.#stopped) return;
    this.#resyncing = true;
    this.#options.logger.warn("store resync started", { shard: this.#options.shard, reason });
    this.#options.metrics.count("mycelium_store_resyncs_total");
    this.#problems.set("resync", {
      what: `shard ${this.#options.shard} is fetching a fresh copy`,
      why: reason,
      todo: "nothing: it mends itself from another replica; if it stays, check that another replica is reachable",
    });
    this.#options.log.handOver("resync");
    while (!this.#stopped) {
      try {
        await this.#replaceBy(this.#options.replicaNodes(), this.#received);
        break;
      } catch (error) {
        this.#options.logger.warn("store resync failed, will retry", { reason: messageOf(error) });
        await this.#pause(this.#options.limits.diskRetryMs);
      }
    }
    this.#resyncing = false;
    this.#problems.delete("resync");
    this.#pump();
  }

  /** Syncs the database and lets the log be cut. Safe to call at any time. */
  async checkpoint(): Promise<void> {
    if (this.#resyncing || this.#stopped) return;
    const idle = !this.#pumping && this.#open === null && this.#interactiveTerm === null;
    if (idle) await this.#options.database.advance(this.applied.value);
    this.#options.log.compact(await this.#options.database.checkpoint());
  }

  stop(): void {
    this.#stopped = true;
    this.#loseLeadership();
    for (const wake of this.#pauses) wake();
  }

  // The pump.

  #interactiveSeed: Uint8Array = new Uint8Array(16);

  #pump(): void {
    if (this.#pumping || this.#stopped || this.#resyncing || this.#replacing) return;
    this.#pumping = true;
    this.#running = this.#run().then(
      () => {
        this.#pumping = false;
      },
      (error) => this.#options.onFatal(error),
    );
  }

  async #run(): Promise<void> {
    while (!this.#stopped && !this.#replacing) {
      if (this.#resyncing) return;
      if (this.#committed.length > 0) await this.#applyNext();
      else if (!this.leads() || this.#open !== null || this.#interactiveTerm !== null) return;
      else if (this.#problems.has("digest")) return this.#refuseWrites();
      else if (this.#gathersInteractive()) await this.#openInteractive();
      else if (this.#queue.count > 0) await this.#runBatch();
      else return;
    }
  }

  async #applyNext(): Promise<void> {
    const entry = this.#committed[0];
    assert(entry !== undefined, "the pump applies nothing");
    if (entry.index <= this.applied.value) {
      this.#committed.shift();
      return;
    }
    const { index, term } = this.#open?.proposal ?? {};
    if (entry.index === index && entry.term === term) return this.#commitOpen(entry);
    if (entry.kind !== "command") {
      this.#committed.shift();
      this.applied.advance(entry.index);
      return;
    }
    this.#dropOpen(outcomeUnknown(this.#open?.proposal.index ?? null));
    await this.#execute(this.#leadingCommands());
  }

  /** The committed commands in a row at the head of the queue, as many as are executed at once. */
  #leadingCommands(): readonly LogEntry[] {
    let count = 1;
    while (
      count < this.#options.limits.applyCountMax &&
      this.#committed[count]?.kind === "command"
    ) {
      count++;
    }
    return this.#committed.slice(0, count);
  }

  async #commitOpen(entry: LogEntry): Promise<void> {
    const open = this.#open;
    assert(open !== null, "a commit without an open batch");
    this.#open = null;
    try {
      await this.#options.database.commit(entry.index);
    } catch (error) {
      // The log has it, the file could not take it: drop the transaction and execute the entry again.
      this.#options.logger.warn("store commit failed", { reason: messageOf(error) });
      await this.#options.database.rollback();
      await this.#execute([entry]);
      open.committed();
      return;
    }
    this.#committed.shift();
    this.#pinnedTimeMs = open.timeMs;
    this.digests.record(entry.index, open.digest);
    this.#afterApplied(entry.index);
    open.committed();
  }

  /** Executes committed commands and takes them off the queue. */
  async #execute(entries: readonly LogEntry[]): Promise<void> {
    const decoded = entries.map((entry) => ({ entry, batch: decodeBatch(entry.payload) }));
    const batches = decoded.map(({ entry, batch }) => this.#committedBatch(entry, batch));
    const digests = await this.#applyPatiently(batches);
    if (digests === null) return;
    this.#committed.splice(0, entries.length);
    decoded.forEach(({ entry, batch }, i) => {
      const own = digests[i];
      assert(own !== undefined, "a batch was applied without a digest");
      this.#pinnedTimeMs = Math.max(this.#pinnedTimeMs, batch.context.timeMs);
      this.digests.record(entry.index, own);
      this.digests.compare(entry.index, own, batch.digest);
    });
    const last = entries.at(-1);
    if (last !== undefined) this.#afterApplied(last.index);
  }

  #committedBatch(entry: LogEntry, batch: Batch): CommittedBatch {
    const { shard, authority, metrics, logger } = this.#options;
    const skipped = new Set(batch.skipped.map(([bundle, position]) => `${bundle}/${position}`));
    const requests = batch.bundles.flatMap((signed, bundle) => {
      const all = requestsOfCommitted(signed, shard, batch.context.timeMs, authority);
      if (all === null) {
        metrics.count("mycelium_store_void_bundles_total");
        logger.error("store bundle is void", { shard, index: entry.index });
        return [];
      }
      return all.filter((_, position) => !skipped.has(`${bundle}/${position}`));
    });
    return { index: entry.index, context: batch.context, requests };
  }

  /** Applies, waiting for room on a full disk. Null when the loop stopped or a resync replaced the state. */
  async #applyPatiently(batches: readonly CommittedBatch[]): Promise<readonly Uint8Array[] | null> {
    while (!this.#stopped && !this.#replacing) {
      try {
        const digests = await this.#options.database.apply(batches);
        this.#problems.delete("disk");
        return digests;
      } catch (error) {
        if (errorCodeOf(error) === "STATE_CORRUPT") {
          void this.resync(messageOf(error));
          return null;
        }
        if (errorCodeOf(error) !== "DISK_FULL") throw error;
        this.#noteDiskFull();
        await this.#pause(this.#options.limits.diskRetryMs);
      }
    }
    return null;
  }

  #noteDiskFull(): void {
    if (!this.#problems.has("disk")) this.#options.log.handOver("the disk is full");
    this.#problems.set("disk", {
      what: "the disk is full",
      why: "committed writes cannot be stored here; this node falls behind",
      todo: "free some space: it goes on by itself",
    });
  }

  #afterApplied(index: LogIndex): void {
    this.applied.advance(index);
    this.#options.metrics.gauge("mycelium_store_applied_index", index, {
      shard: this.#options.shard,
    });
    this.#options.onApplied();
  }

  async #runBatch(): Promise<void> {
    const { database, limits, metrics } = this.#options;
    const tasks = this.#queue.take({
      countMax: limits.batchCountMax,
      bytesMax: limits.batchBytesMax,
    });
    const term = this.#leadership.term;
    const context = this.#newContext();
    const alone = tasks[0]?.alone === true;
    let outcome: BatchOutcome;
    try {
      outcome = await database.runBatch(context, tasks.map(requestOf), {
        alone,
        deadlineMs: limits.writeDeadlineMs,
      });
    } catch (error) {
      return this.#batchFailed(tasks, error);
    }
    metrics.count("mycelium_store_batches_total");
    if (!this.leads(term)) {
      void this.#rollback();
      for (const task of tasks) task.reject(notLeader());
      return;
    }
    this.#finishBatch(tasks, context, outcome);
  }

  #finishBatch(tasks: readonly WriteTask[], context: BatchContext, outcome: BatchOutcome): void {
    const ended: { task: WriteTask; result: ProgramResult }[] = [];
    const applied: WriteTask[] = [];
    for (let i = tasks.length - 1; i >= 0; i--) {
      const task = tasks[i] as WriteTask;
      const one = outcome.outcomes[i];
      assert(one !== undefined, "a request ran without an outcome");
      if (one.kind === "alone") {
        task.alone = true;
        this.#queue.putBack(task);
      } else ended.push({ task, result: one.result });
      if (one.kind === "applied") applied.push(task);
    }
    const reply = () => {
      for (const { task, result } of ended) task.resolve(result);
    };
    const refuse = (error: MyceliumError) => {
      for (const { task } of ended) task.reject(error);
    };
    if (applied.length === 0) {
      void this.#rollback();
      // Nothing changed, but the answers rest on what was read: a deposed leader may not give them.
      this.gate.strong(this.#options.limits.retryMs).then(reply, () => refuse(notLeader()));
      return;
    }
    const batch = { context, digest: outcome.digest, ...bundlesOf(applied) };
    if (this.#propose(batch, reply, refuse)) return;
    void this.#rollback();
    refuse(notLeader());
  }

  #propose(
    batch: Batch,
    committed: () => void,
    abandoned: (error: MyceliumError) => void,
  ): boolean {
    const proposal = this.#options.log.propose(encodeBatch(batch));
    if (proposal === null) return false;
    this.#open = {
      proposal,
      timeMs: batch.context.timeMs,
      digest: batch.digest,
      committed,
      abandoned,
    };
    return true;
  }

  #batchFailed(tasks: readonly WriteTask[], error: unknown): void {
    const code = errorCodeOf(error);
    if (code !== "STATE_CORRUPT" && code !== "DISK_FULL") throw error;
    const refusal = error as MyceliumError;
    for (const task of tasks) task.reject(refusal);
    void this.#rollback();
    if (code === "STATE_CORRUPT") void this.resync(refusal.message);
  }

  #newContext(): BatchContext {
    return { timeMs: this.pinnedTimeMs(), seed: this.#options.entropy(16) };
  }

  #refuseWrites(): void {
    const why = this.#problems.get("digest")?.why ?? "";
    const error = new MyceliumError(
      "READ_ONLY",
      `Cannot write: the shard is read-only because ${why}`,
    );
    for (const task of this.#queue.drain()) task.reject(error);
    this.#lane.refuseAll(error);
  }

  // Interactive transactions.

  /** Gathers what waits; true when the next turn is an interactive transaction's. */
  #gathersInteractive(): boolean {
    this.#gather();
    if (this.#lane.next() === null) return false;
    this.#interactiveTurn = !this.#interactiveTurn || this.#queue.count === 0;
    return this.#interactiveTurn;
  }

  async #openInteractive(): Promise<void> {
    const session = this.#lane.next();
    if (session === null) return;
    const term = this.#leadership.term;
    const context = this.#newContext();
    await this.#options.database.beginInteractive(context, session.role);
    if (!this.leads(term) || this.#lane.next() !== session) {
      await this.#rollback();
      return;
    }
    this.#pinnedTimeMs = context.timeMs;
    this.#interactiveSeed = context.seed;
    this.#interactiveTerm = term;
    this.#lane.grant();
    this.#lane.rearm(this.#queue.count > 0);
  }

  #session(id: string, author: NodeId, state: "open" | "ended"): InteractiveSession {
    const session = this.#lane.current;
    if (session === null || session.id !== id || session.author !== author) {
      throw transactionClosed("it timed out or the leader changed");
    }
    if (session.busy || session.state !== state) {
      throw new MyceliumError(
        "BAD_ARGUMENT",
        "Cannot use the transaction: another call on it is under way",
      );
    }
    return session;
  }

  /** What is executed interactively must fit one log entry in the end. */
  #weigh(session: InteractiveSession, program: Program): void {
    const { interactiveBytesMax } = this.#options.limits;
    session.sizeBytes += encodeProgram(program).length;
    if (session.sizeBytes <= interactiveBytesMax) return;
    this.#endInteractive(session);
    throw new MyceliumError(
      "TOO_LARGE",
      `Cannot go on with the transaction: its statements have over ${interactiveBytesMax} bytes; it was rolled ` +
        "back; split it into smaller ones",
    );
  }

  #expire(session: InteractiveSession, reason: string): void {
    if (this.#lane.current !== session) return;
    this.#options.logger.info("store interactive transaction rolled back", { reason });
    this.#endInteractive(session);
  }

  #endInteractive(session: InteractiveSession): void {
    if (this.#lane.current !== session) return;
    void this.#rollback();
    this.#interactiveTerm = null;
    this.#lane.release();
    this.#pump();
  }

  // Leadership, rollback, replacement.

  #leadsIn(leadership: Leadership, term: number): boolean {
    const { leader, ready } = leadership;
    return ready && leader === this.#options.authority.node && leadership.term === term;
  }

  #loseLeadership(): void {
    this.#dropOpen(outcomeUnknown(this.#open?.proposal.index ?? null));
    this.#lane.refuseAll(notLeader());
    for (const task of this.#queue.drain()) task.reject(notLeader());
  }

  /** Rolls back whatever transaction is open, proposed or interactive. */
  #dropOpen(error: MyceliumError): void {
    const open = this.#open;
    this.#open = null;
    if (open !== null) {
      void this.#rollback();
      open.abandoned(error);
    }
    const session = this.#lane.current;
    if (session !== null) this.#endInteractive(session);
  }

  #rollback(): Promise<void> {
    return this.#options.database.rollback().catch((error) => this.#options.onFatal(error));
  }

  #openSubmitted(from: NodeId, signed: SignedBundle): OpenedBundle {
    if (!this.leads()) throw notLeader();
    const { shard, authority } = this.#options;
    return openBundle(signed, { from, shard, timeMs: this.pinnedTimeMs() }, authority);
  }

  async #replaceBy(sources: readonly NodeId[], atLeast: LogIndex): Promise<SnapshotMeta> {
    this.#replacing = true;
    try {
      await this.#running;
      this.#dropOpen(outcomeUnknown(this.#open?.proposal.index ?? null));
      return this.#replaced(await this.#fetcher.fetch(sources, atLeast));
    } finally {
      this.#replacing = false;
      if (!this.#resyncing) this.#pump();
    }
  }

  #replaced(position: ShardPosition): SnapshotMeta {
    const meta = position.installed;
    assert(meta !== null, "a snapshot was installed without its meta");
    this.#pinnedTimeMs = Math.max(this.#pinnedTimeMs, position.pinnedTimeMs);
    this.#received = asLogIndex(Math.max(this.#received, meta.index));
    this.#committed = this.#committed.filter((entry) => entry.index > meta.index);
    this.digests.forget();
    this.applied.advance(meta.index);
    this.#options.onApplied();
    return meta;
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        timer.cancel();
        this.#pauses.delete(wake);
        resolve();
      };
      const timer = this.#options.clock.after(delayMs, wake);
      this.#pauses.add(wake);
    });
  }
}

/** The bundles that hold the applied tasks, and which of their other requests are skipped. */
function bundlesOf(applied: readonly WriteTask[]): Pick<Batch, "bundles" | "skipped"> {
  const bundles = new Map<OpenedBundle, Set<number>>();
  for (let i = applied.length - 1; i >= 0; i--) {
    const task = applied[i] as WriteTask;
    const positions = bundles.get(task.bundle) ?? new Set();
    bundles.set(task.bundle, positions.add(task.position));
  }
  const skipped: (readonly [number, number])[] = [];
  [...bundles].forEach(([bundle, positions], at) => {
    bundle.requests.forEach((_, position) => {
      if (!positions.has(position)) skipped.push([at, position]);
    });
  });
  return { bundles: [...bundles.keys()].map((bundle) => bundle.signed), skipped };
}
