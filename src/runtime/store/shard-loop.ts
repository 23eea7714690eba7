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
import type { SignedBundle } from "../../domain/replication/index.ts";
import type { ProgramResult } from "../../domain/sql/index.ts";
import type {
  Leadership,
  LogEntry,
  ShardPosition,
  SnapshotMeta,
  StateMachine,
} from "../../ports/index.ts";
import { Applier } from "./applier.ts";
import type { Gateway } from "./batch-gathering.ts";
import {
  fetchingProblem,
  noteDoubt,
  noteOnlyCopy,
  ONLY_COPY_PROBLEM,
  readOnlyReason,
} from "./damage-problems.ts";
import { DigestWatch } from "./digest-watch.ts";
import { InteractiveHost } from "./interactive-host.ts";
import { LeaderBatches } from "./leader-batches.ts";
import { LeaderTimes } from "./leader-times.ts";
import type { ShardOptions } from "./options.ts";
import { DISK_PROBLEM, diskFull, ShardContext } from "./shard-context.ts";
import { SnapshotFetcher } from "./snapshot-fetcher.ts";
import type { StoreStatus } from "./store-status.ts";
import { TableChecks } from "./table-checks.ts";
import { notLeader, type OpenedBundle } from "./write-task.ts";

export class ShardLoop implements StateMachine {
  readonly context: ShardContext;
  readonly digests: DigestWatch;
  readonly interactive: InteractiveHost;
  readonly objection: LeaderTimes["objection"];
  readonly #options: ShardOptions;
  readonly #applier: Applier;
  readonly checks: TableChecks;
  readonly #batches: LeaderBatches;
  readonly #fetcher: SnapshotFetcher;
  readonly #onDamage: (reason: string) => void;
  readonly #leadershipWaiters = new Set<() => void>();
  #gateway: Gateway = { gather: () => {}, waitingCount: () => 0 };
  #interactiveTurn = false;
  #pumping = false;
  #isWoken = false;
  #running: Promise<void> = Promise.resolve();
  #replacement: Promise<unknown> = Promise.resolve();
  /** All that is applied up to here is synced, and the log cut. */
  #checkpointedAt: LogIndex | null = null;

  constructor(options: ShardOptions, position: ShardPosition) {
    const resync = (reason: string, avoid: readonly NodeId[] = []) => {
      this.resync(reason, avoid).catch((error) => options.onFatal(error));
    };
    this.#options = options;
    this.#onDamage = resync;
    this.context = new ShardContext(options, position);
    this.digests = new DigestWatch(this.context, {
      resync,
      doubt: (why) => this.#setDoubt(why),
      judged: (verdict) => this.checks.judged(verdict),
    });
    this.checks = new TableChecks(this.context, this.digests, {
      wake: () => this.#pump(),
      onCorrupt: resync,
    });
    this.interactive = new InteractiveHost(this.context, {
      wake: () => this.#pump(),
      onCorrupt: resync,
    });
    this.#batches = new LeaderBatches(this.context, resync, () => this.#gateway.waitingCount());
    this.objection = new LeaderTimes(this.context).objection;
    this.#fetcher = new SnapshotFetcher(options);
    this.#applier = new Applier(
      this.context,
      { digests: this.digests, checks: this.checks },
      {
        onForeign: () => this.#endOpen(),
        onCorrupt: resync,
        onFull: () => this.#refuseAll(diskFull()),
        wake: () => this.#pump(),
      },
    );
    this.checks.run().catch((error) => options.onFatal(error));
  }

  // What consensus calls.

  apply(entries: readonly LogEntry[]): void {
    this.#applier.push(entries);
    this.#pump();
  }

  appliedIndex(): LogIndex {
    return this.context.applied.value;
  }

  leadershipChanged(leadership: Leadership): void {
    const { term } = this.context.leadership;
    const led = this.context.leads();
    this.context.leadership = leadership;
    if (led && !this.context.leads(term)) this.#loseLeadership();
    for (const wake of [...this.#leadershipWaiters]) wake();
    if (this.context.problems.has("digest")) this.checks.rouse();
    this.#gateway.gather();
    this.#pump();
  }

  installSnapshot(source: NodeId, atLeast: LogIndex): Promise<SnapshotMeta> {
    return this.#replaceBy([source], atLeast, []);
  }

  // What the router, the server and the agent call.

  /** Calls back at each change of leadership. Returns how to stop that. */
  onLeadership(wake: () => void): () => void {
    this.#leadershipWaiters.add(wake);
    return () => this.#leadershipWaiters.delete(wake);
  }

  /** The gateway here is asked to hand over what it holds before each batch and at each change of leadership. */
  serve(gateway: Gateway): void {
    this.#gateway = gateway;
  }

  /** Whether the gateway here is to hold what it has until it is asked: then more goes into one bundle. */
  holdsBack(): boolean {
    this.#batches.gathering.arrived(this.#batches.waitingCount);
    if (this.busy) return true;
    const isServed = this.context.leads() && !this.context.problems.has(DISK_PROBLEM);
    if (!isServed || this.interactive.holding || !this.#shouldGather()) return false;
    this.#pump();
    return true;
  }

  /** True while a batch is under way: what is submitted now only waits. Not so while it is refused for want of room. */
  get busy(): boolean {
    if (this.context.problems.has(DISK_PROBLEM)) return false;
    return this.#pumping || this.context.open !== null;
  }

  status(): StoreStatus {
    const { applied, problems, resyncing } = this.context;
    return {
      appliedIndex: applied.value,
      receivedIndex: this.#applier.received,
      queuedWrites: this.#batches.queuedCount,
      openTransactions: this.interactive.count,
      resyncing,
      readOnly: readOnlyReason(problems),
      problems: [...problems.values()],
    };
  }

  /** Queues each request of a bundle on this leader. Throws NOT_LEADER, FORBIDDEN, CLOCK_OFF or OVERLOADED. */
  submit(from: NodeId, signed: SignedBundle): Promise<ProgramResult>[] {
    const results = this.#batches.submit(from, signed);
    this.interactive.contend();
    this.#pump();
    return results;
  }

  /** The same for a bundle that this node signed itself just now: nobody could have altered it. */
  submitOwn(bundle: OpenedBundle): Promise<ProgramResult>[] {
    const results = this.#batches.submitOpened(bundle);
    this.interactive.contend();
    this.#pump();
    return results;
  }

  /**
   * Throws the database away and fetches another replica's, but none of those to `avoid`. Goes on trying until it
   * succeeds or the loop stops. Where there is no other replica: see `Refill`.
   */
  async resync(reason: string, avoid: readonly NodeId[] = []): Promise<void> {
    const { context } = this;
    const { logger, log, metrics, shard, limits } = this.#options;
    if (context.resyncing || context.stopped || context.problems.has(ONLY_COPY_PROBLEM)) return;
    const refill = this.#options.refill(reason);
    if (refill === "log") return this.stop();
    if (refill === "nothing") return this.keepDamaged(reason);
    const led = context.leads();
    context.resyncing = true;
    logger.warn("store resync started", { shard, reason });
    metrics.count("mycelium_store_resyncs_total");
    context.problems.set("resync", fetchingProblem(shard, reason));
    if (led) this.#loseLeadership();
    log.handOver("resync");
    while (!context.stopped && !(await this.#tryResync(avoid)))
      await context.pause(limits.diskRetryMs);
    context.resyncing = false;
    context.problems.delete("resync");
    this.#pump();
  }

  /** Nothing can mend the only copy there is: what can be read of it is served, and nothing is written. */
  keepDamaged(reason: string): void {
    noteOnlyCopy(this.context, reason);
    this.#endOpen();
    this.#pump();
  }

  /** The call's result; when it met a damaged database, that is replaced, and the call rejects all the same. */
  async mending<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      if (errorCodeOf(error) === "STATE_CORRUPT") this.#onDamage(messageOf(error));
      throw error;
    }
  }

  /** Syncs the database and lets the log be cut, if there is news since the last time. Safe to call at any time. */
  async checkpoint(): Promise<void> {
    const { applied, isHeld, problems } = this.context;
    // An idle shard starts no thread for this.
    const { value } = applied;
    if (isHeld || problems.has(ONLY_COPY_PROBLEM) || value === this.#checkpointedAt) return;
    try {
      const idle = await this.mending(this.recordApplied());
      this.#options.log.compact(await this.mending(this.#options.database.checkpoint()));
      if (idle) this.#checkpointedAt = value;
    } catch (error) {
      // It is being replaced, or waits for room as writes do: the next checkpoint tries again.
      const code = errorCodeOf(error);
      if (code !== "STATE_CORRUPT" && code !== "DISK_FULL") throw error;
    }
  }

  /** Has the database know of no-ops and the like, where no batch is under way that tells it of later ones. */
  async recordApplied(): Promise<boolean> {
    const { applied, open } = this.context;
    const isIdle = !this.#pumping && open === null && !this.interactive.holding;
    if (isIdle) await this.#options.database.advance(applied.value);
    return isIdle;
  }

  stop(): void {
    this.#loseLeadership();
    this.context.stop();
    this.checks.rouse();
  }

  // The pump.

  #pump(): void {
    this.#isWoken = true;
    if (this.#pumping || this.context.isHeld) return;
    this.#pumping = true;
    this.#running = this.#run().catch(this.#options.onFatal);
  }

  async #run(): Promise<void> {
    try {
      // Something may come between the last look for work and the end of its promise: then look again.
      do {
        this.#isWoken = false;
        while (await this.#step());
      } while (this.#isWoken);
    } finally {
      this.#pumping = false;
    }
  }

  /** Does the next thing; false when there is none. */
  async #step(): Promise<boolean> {
    const { context } = this;
    if (context.isHeld) return false;
    if (context.problems.has(ONLY_COPY_PROBLEM)) return this.#refuseWrites();
    if (this.#applier.pending && !this.#applier.gathers()) await this.#applier.applyNext();
    else if (!context.leads() || context.open !== null || this.interactive.holding) return false;
    else if (this.checks.isUrgent) this.checks.propose();
    else if (context.problems.has("digest")) return this.#refuseWrites();
    else if (this.#shouldGather()) await this.#batches.gathering.wait();
    else if (this.#gathersInteractive()) await this.interactive.openNext();
    else if (this.#batches.queuedCount > 0) await this.#batches.run();
    else if (this.checks.isWanted) this.checks.propose();
    else return false;
    return true;
  }

  #shouldGather(): boolean {
    return (
      !this.interactive.waiting && this.#batches.gathering.isWanted(this.#batches.waitingCount)
    );
  }

  /** Gathers what waits; true when the next turn is an interactive transaction's. */
  #gathersInteractive(): boolean {
    this.#gateway.gather();
    if (!this.interactive.waiting) return false;
    this.#interactiveTurn = !this.#interactiveTurn || this.#batches.queuedCount === 0;
    return this.#interactiveTurn;
  }

  #refuseAll(error: MyceliumError): void {
    this.#gateway.gather();
    this.#batches.refuseAll(error);
    this.interactive.refuseAll(error);
  }

  #refuseWrites(): false {
    const why = readOnlyReason(this.context.problems) ?? "";
    this.#refuseAll(
      new MyceliumError("READ_ONLY", `Cannot write: the shard is read-only because ${why}`),
    );
    return false;
  }

  #setDoubt(why: string | null): void {
    if (noteDoubt(this.context, why)) this.checks.doubt();
    this.#pump();
  }

  /** Ends whatever transaction is open on the database, proposed or interactive. */
  #endOpen(): void {
    this.context.dropOpen();
    this.interactive.endCurrent();
  }

  #loseLeadership(): void {
    this.context.dropOpen();
    this.checks.abandon();
    this.interactive.refuseAll(notLeader());
    this.#batches.refuseAll(notLeader());
  }

  async #tryResync(avoid: readonly NodeId[]): Promise<boolean> {
    try {
      await this.#replaceBy([], this.#applier.received, avoid);
      return true;
    } catch (error) {
      if (errorCodeOf(error) === undefined) throw error;
      this.#options.logger.warn("store resync failed, will retry", { reason: messageOf(error) });
      return false;
    }
  }

  /** One replacement after the other: two at once could put an older state over a newer one. */
  #replaceBy(
    sources: readonly NodeId[],
    atLeast: LogIndex,
    avoid: readonly NodeId[],
  ): Promise<SnapshotMeta> {
    const before = this.#replacement;
    const replaceNow = () => this.#replaceNow(sources, atLeast, avoid);
    const replacement = before.then(replaceNow, replaceNow);
    this.#replacement = replacement;
    return replacement;
  }

  async #replaceNow(
    sources: readonly NodeId[],
    atLeast: LogIndex,
    avoid: readonly NodeId[],
  ): Promise<SnapshotMeta> {
    const { context } = this;
    context.replacing = true;
    context.copyCount++;
    try {
      await this.#running;
      this.#endOpen();
      // What was handed over meanwhile is not handed over again: a snapshot must hold it.
      const needed = asLogIndex(Math.max(atLeast, this.#applier.received));
      return this.#replaced(await this.#fetcher.fetch(sources, needed, avoid));
    } finally {
      context.replacing = false;
      this.#pump();
    }
  }

  #replaced(position: ShardPosition): SnapshotMeta {
    const meta = position.installed;
    assert(meta !== null, "a snapshot was installed without its meta");
    this.context.pinnedTimeMs = Math.max(this.context.pinnedTimeMs, position.pinnedTimeMs);
    this.#applier.skipTo(meta.index);
    this.digests.book.forget();
    this.context.noteApplied(meta.index);
    return meta;
  }
}
