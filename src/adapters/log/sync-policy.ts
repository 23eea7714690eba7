/**
 * Chooses between a sync that blocks the thread and one on a thread of its own. The threaded one costs some 0.3 ms
 * more, in hops between threads; the blocking one stops Raft for as long as the disk takes. So: block while the
 * disk is fast. What a threaded sync took says little about the disk, so that one that may be fast is tried out.
 */

/** On average over the last syncs or so; more than this is worth the hops. */
const BLOCK_MS = 0.75;
/** A threaded sync below this may be a fast one; an SD card never is. */
const TRY_MS = 2;
/** So many of those in a row, and a blocking one is tried. */
const TRY_RUN = 8;
/** Weight of the newest blocking sync in the average: one slow one among fast ones changes nothing. */
const NEWEST_SHARE = 1 / 16;

export class SyncPolicy {
  #blocks = false;
  #tryRun = 0;
  #averageMs = 0;

  /** True when the next sync may block. */
  mayBlock(): boolean {
    return this.#blocks || this.#tryRun >= TRY_RUN;
  }

  observeThreaded(durationMs: number): void {
    this.#tryRun = durationMs < TRY_MS ? this.#tryRun + 1 : 0;
  }

  observeBlocking(durationMs: number): void {
    // The first one after a row of threaded ones is all that is known.
    const share = this.#blocks ? NEWEST_SHARE : 1;
    this.#averageMs += (durationMs - this.#averageMs) * share;
    this.#blocks = this.#averageMs < BLOCK_MS;
    this.#tryRun = 0;
  }
}
