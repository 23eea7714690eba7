/**
 * What the parts of a shard's loop share: who leads, the one open batch, pinned time, problems. It keeps the rule
 * that a transaction is open on the database only while this node leads: `dropOpen` ends it in every other case.
 */

import { errorCodeOf, type LogIndex, MyceliumError, type NodeId } from "../../base/index.ts";
import {
  type Batch,
  type BatchContext,
  encodeBatch,
  type SignedBundle,
} from "../../domain/replication/index.ts";
import type { Leadership, Proposal, ShardPosition } from "../../ports/index.ts";
import { AppliedIndex } from "./applied-index.ts";
import { openBundle } from "./bundles.ts";
import type { ShardOptions } from "./options.ts";
import { ReadGate } from "./read-gate.ts";
import type { StoreProblem } from "./store-status.ts";
import { notLeader, type OpenedBundle, outcomeUnknown } from "./write-task.ts";

/** The leader's batch between its proposal and its fate. */
interface OpenBatch {
  readonly proposal: Proposal;
  readonly timeMs: number;
  readonly digest: Uint8Array;
  /** A table to check: then nothing is open on the database. */
  readonly check: string | null;
  readonly committed: () => void;
  readonly abandoned: (error: MyceliumError) => void;
}

/** With every replica's disk full, leadership must not run in circles. */
const GIVE_WAY_EVERY_MS = 10_000;

/** As far as signatures, tokens and grants may be off. */
export const CLOCK_OFF_MAX_MS = 300_000;

const NO_LEADERSHIP = { term: 0, leader: null, ready: false } as unknown as Leadership;

/** Among the problems: committed writes wait for room on the disk. */
export const DISK_PROBLEM = "disk";

/** What is said to writes meanwhile. */
export function diskFull(): MyceliumError {
  return new MyceliumError(
    "DISK_FULL",
    "Cannot write: database or disk is full; free some space on the leader, then retry",
  );
}

export class ShardContext {
  readonly options: ShardOptions;
  readonly applied: AppliedIndex;
  readonly gate: ReadGate;
  readonly problems = new Map<string, StoreProblem>();
  leadership: Leadership = NO_LEADERSHIP;
  open: OpenBatch | null = null;
  /** The last entry this leader acknowledged; it may be some microseconds ahead of what is applied here. */
  acknowledgedIndex: LogIndex;
  /** Time of the last batch that was applied or opened interactively. */
  pinnedTimeMs: number;
  stopped = false;
  /** True while the database is thrown away and fetched anew, whatever consensus says. */
  resyncing = false;
  /** True while a snapshot takes the place of the database: nobody touches it. */
  replacing = false;
  /** Grows whenever another copy begins to take the place of the database. */
  copyCount = 0;
  /** Wakes pauses early when the loop stops. */
  readonly #pauses = new Set<() => void>();
  #gaveWayAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: ShardOptions, position: ShardPosition) {
    this.options = options;
    this.applied = new AppliedIndex(options.clock, position.appliedIndex);
    this.gate = new ReadGate(options.clock, options.log, this.applied);
    this.acknowledgedIndex = position.appliedIndex;
    this.pinnedTimeMs = position.pinnedTimeMs;
  }

  /** Nothing is to be written now. */
  get isHeld(): boolean {
    return this.stopped || this.resyncing || this.replacing;
  }

  /** True when this node is the ready leader, of `term` if one is given. */
  leads(term: number = this.leadership.term): boolean {
    const { leader, ready } = this.leadership;
    if (this.isHeld) return false;
    return ready && leader === this.options.authority.node && this.leadership.term === term;
  }

  /** Pinned time as of now: the wall clock, but never below the last batch's. */
  nowPinnedMs(): number {
    return Math.max(this.options.clock.wallMs(), this.pinnedTimeMs);
  }

  newBatchContext(): BatchContext {
    return { timeMs: this.nowPinnedMs(), seed: this.options.entropy(16) };
  }

  /** The leader's check of a submitted bundle. Throws NOT_LEADER and what `openBundle` refuses. */
  openSubmitted(from: NodeId, signed: SignedBundle): OpenedBundle {
    if (!this.leads() || this.hasWrongClock()) throw notLeader();
    const { shard, authority } = this.options;
    return openBundle(signed, { from, shard, timeMs: this.nowPinnedMs() }, authority);
  }

  /** Proposes what is open on the database. False, and nothing was done, when this node does not lead. */
  propose(batch: Batch, committed: () => void, abandoned: (error: MyceliumError) => void): boolean {
    const proposal = this.options.log.propose(encodeBatch(batch));
    if (proposal === null) return false;
    const { digest, check } = batch;
    const { timeMs } = batch.context;
    this.open = { proposal, timeMs, digest, check, committed, abandoned };
    return true;
  }

  /**
   * Proves that this node led from now until the end: what it read before was current then. A read index alone does
   * not: a deposed leader gets one too, from its successor. Rejects with NOT_LEADER.
   */
  async confirmLed(): Promise<void> {
    const { term } = this.leadership;
    await this.gate.strong(this.options.limits.retryMs).catch((error) => {
      throw errorCodeOf(error) === undefined ? error : notLeader();
    });
    if (!this.leads(term)) throw notLeader();
  }

  /** Rolls the proposed batch back, if there is one: its log entry may be committed yet, by another leader. */
  dropOpen(): void {
    const { open } = this;
    if (open === null) return;
    this.open = null;
    this.rollback();
    open.abandoned(outcomeUnknown(open.proposal.index));
  }

  rollback(): void {
    this.options.database.rollback().catch((error) => this.options.onFatal(error));
  }

  /** This disk has no room for writes; another replica's may. */
  giveWayForRoom(): void {
    this.#giveWay("the disk is full");
  }

  /**
   * Whether this machine's clock would put a wrong time into the log, which never falls again. Then another leads: most
   * members' clocks agree on another time.
   */
  hasWrongClock(): boolean {
    const isWrong = Math.abs(this.options.clockOffMs()) > CLOCK_OFF_MAX_MS;
    if (isWrong) this.#giveWay("its clock is off");
    return isWrong;
  }

  #giveWay(reason: string): void {
    const nowMs = this.options.clock.monotonicMs();
    if (nowMs - this.#gaveWayAtMs < GIVE_WAY_EVERY_MS) return;
    this.#gaveWayAtMs = nowMs;
    this.options.log.handOver(reason);
  }

  noteApplied(index: LogIndex): void {
    const { metrics, onApplied, shard } = this.options;
    this.applied.advance(index);
    metrics.gauge("mycelium_store_applied_index", index, { shard });
    onApplied();
  }

  /** `begin` is given what ends it early. */
  pause(delayMs: number, begin: (end: () => void) => void = () => {}): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        timer.cancel();
        this.#pauses.delete(wake);
        resolve();
      };
      const timer = this.options.clock.after(delayMs, wake);
      this.#pauses.add(wake);
      begin(wake);
    });
  }

  stop(): void {
    this.stopped = true;
    for (const wake of this.#pauses) wake();
  }
}
