/**
 * What a leader knows of one follower (etcd's states). `probe`: where the logs agree is being looked for, one append
 * at a time. `replicate`: appends are pipelined within limits. `snapshot`: it needs a state that the log cannot give.
 */

import type { LogIndex, ReplicaId } from "../../base/index.ts";

export type ProgressState = "probe" | "replicate" | "snapshot";

export interface InflightLimits {
  readonly countMax: number;
  readonly sizeBytesMax: number;
}

export class Progress {
  readonly replica: ReplicaId;
  readonly #limits: InflightLimits;
  state: ProgressState = "probe";
  /** Known to be in the follower's log, synced. */
  match = 0 as LogIndex;
  /** The next entry to send. */
  next: LogIndex;
  /** Heard from since the last check of the quorum. */
  recentlyActive = true;
  /** The highest commit index told to it. */
  commitTold = 0 as LogIndex;
  /** It was told to read at this index: it must learn that it is committed. */
  readIndex = 0 as LogIndex;
  /** The latest round of read index it answered. */
  roundAnswered = 0;
  #wasActive = false;
  /** Probe: an append is under way. */
  #probeSent = false;
  /** Snapshot: ticks since the offer. */
  #offerAgeTicks = 0;
  #offered = 0 as LogIndex;
  /** Replicate: last index and size of each append under way, oldest at `#head`. */
  #inflight: { readonly lastIndex: LogIndex; readonly sizeBytes: number }[] = [];
  #head = 0;
  #inflightBytes = 0;

  constructor(replica: ReplicaId, next: LogIndex, limits: InflightLimits) {
    this.replica = replica;
    this.next = next;
    this.#limits = limits;
  }

  get inflightCount(): number {
    return this.#inflight.length - this.#head;
  }

  /** Heard from in this period of check-quorum or in the one before: true also right after one began. */
  get isActive(): boolean {
    return this.recentlyActive || this.#wasActive;
  }

  nextPeriod(): void {
    this.#wasActive = this.recentlyActive;
    this.recentlyActive = false;
  }

  /** Nothing may be sent before an answer or a timeout. */
  get isPaused(): boolean {
    if (this.state === "probe") return this.#probeSent;
    if (this.state === "snapshot") return true;
    const { countMax, sizeBytesMax } = this.#limits;
    return this.inflightCount >= countMax || this.#inflightBytes >= sizeBytesMax;
  }

  appendSent(lastIndex: LogIndex, sizeBytes: number): void {
    if (this.state === "probe") {
      this.#probeSent = true;
    } else if (sizeBytes > 0) {
      this.next = (lastIndex + 1) as LogIndex;
      this.#inflight.push({ lastIndex, sizeBytes });
      this.#inflightBytes += sizeBytes;
    }
  }

  /** The follower agrees up to `index`. True when that is news. */
  acknowledged(index: LogIndex): boolean {
    const isNews = index > this.match;
    if (isNews) this.match = index;
    if (this.next <= this.match) this.next = (this.match + 1) as LogIndex;
    this.#freeInflight(index);
    // An acknowledgement of what was known also shows where the logs agree.
    if (this.state === "probe" && index === this.match) this.#become("replicate", this.match + 1);
    return isNews;
  }

  /**
   * The follower refused an append after `rejected`; the logs may agree at `candidate`. False when the answer is old
   * news.
   */
  rejected(rejected: LogIndex, candidate: LogIndex): boolean {
    if (this.state === "snapshot" || rejected <= this.match) return false;
    if (this.state === "replicate") {
      this.becomeProbe();
      return true;
    }
    if (this.next - 1 !== rejected) return false;
    this.next = Math.max(Math.min(rejected, candidate + 1), this.match + 1) as LogIndex;
    this.#probeSent = false;
    return true;
  }

  /** Synced entries of the follower were lost: nothing it acknowledged counts any more. */
  stepBack(candidate: LogIndex): void {
    this.match = 0 as LogIndex;
    this.commitTold = 0 as LogIndex;
    this.#become("probe", candidate + 1);
  }

  becomeProbe(): void {
    this.#become("probe", this.match + 1);
  }

  becomeSnapshot(offered: LogIndex): void {
    this.#become("snapshot", this.next);
    this.#offered = offered;
  }

  /** Once it has what was offered, entries can follow. */
  snapshotDone(): boolean {
    if (this.state !== "snapshot" || this.match < this.#offered) return false;
    this.#become("replicate", this.match + 1);
    return true;
  }

  /** A heartbeat was answered: a probe or a full window may send once more. */
  resume(lastIndex: LogIndex): void {
    if (this.state === "probe" && this.match === lastIndex)
      this.#become("replicate", this.match + 1);
    this.#probeSent = false;
    const oldest = this.#inflight[this.#head];
    if (this.isPaused && oldest !== undefined) this.#freeInflight(oldest.lastIndex);
  }

  /** True every `periodTicks` while a snapshot is on offer. */
  shouldOfferAgain(periodTicks: number): boolean {
    if (this.state !== "snapshot") return false;
    this.#offerAgeTicks++;
    if (this.#offerAgeTicks < periodTicks) return false;
    this.#offerAgeTicks = 0;
    return true;
  }

  #become(state: ProgressState, next: number): void {
    this.state = state;
    this.next = Math.max(1, next) as LogIndex;
    this.#probeSent = false;
    this.#offerAgeTicks = 0;
    this.#inflight = [];
    this.#head = 0;
    this.#inflightBytes = 0;
  }

  #freeInflight(index: LogIndex): void {
    for (;;) {
      const oldest = this.#inflight[this.#head];
      if (oldest === undefined || oldest.lastIndex > index) break;
      this.#inflightBytes -= oldest.sizeBytes;
      this.#head++;
    }
    if (this.#head === this.#inflight.length) {
      this.#inflight.length = 0;
      this.#head = 0;
    } else if (this.#head > 64) {
      this.#inflight.splice(0, this.#head);
      this.#head = 0;
    }
  }
}
