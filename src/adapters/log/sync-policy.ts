/**
 * Chooses between a sync that blocks the thread and one on a thread of its own. The threaded one costs some 50 us
 * more; the blocking one stops Raft for as long as the disk takes. So: block while the disk has been fast lately.
 */

const FAST_MS = 0.5;
/** This many fast syncs in a row are believed. */
const FAST_RUN = 8;

export class SyncPolicy {
  #fastRun = 0;

  /** True when the next sync may block. */
  mayBlock(): boolean {
    return this.#fastRun >= FAST_RUN;
  }

  observe(durationMs: number): void {
    this.#fastRun = durationMs < FAST_MS ? Math.min(this.#fastRun + 1, FAST_RUN) : 0;
  }
}
