/**
 * One shard's reader: opened by the first read, closed when nobody has read for a while, so that an idle node keeps
 * no thread for it. Snapshots keep it open.
 */

import { errorCodeOf } from "../../base/index.ts";
import type { Clock, Timer } from "../../ports/index.ts";

const IDLE_MS = 10_000;

export interface ReaderCalls {
  open(): Promise<unknown>;
  close(): Promise<unknown>;
}

export class ReaderHandle {
  readonly #calls: ReaderCalls;
  readonly #clock: Clock | null;
  #opened: Promise<unknown> | null = null;
  #readCount = 0;
  readonly #snapshots = new Set<number>();
  #readAtMs = 0;
  #idle: Timer | null = null;

  /** Without a clock it stays open until `close`. */
  constructor(calls: ReaderCalls, clock: Clock | null) {
    this.#calls = calls;
    this.#clock = clock;
  }

  /** Runs a read on the open reader. */
  async use<T>(read: () => Promise<T>): Promise<T> {
    this.#readCount++;
    try {
      await this.#open();
      return await read();
    } finally {
      this.#readCount--;
      this.#readAtMs = this.#clock?.monotonicMs() ?? 0;
      this.#watch();
    }
  }

  snapshotOpened(snapshot: number): void {
    this.#snapshots.add(snapshot);
  }

  /** False when it went with an earlier reader. */
  snapshotClosed(snapshot: number): boolean {
    return this.#snapshots.delete(snapshot);
  }

  /** Closes it now, snapshots included; the next read opens it anew. */
  async close(): Promise<void> {
    this.#idle?.cancel();
    this.#idle = null;
    if (this.#opened === null) return;
    await this.#opened.catch(() => undefined);
    await this.#end();
  }

  #open(): Promise<unknown> {
    this.#opened ??= this.#calls.open().catch((error: unknown) => {
      // The next read tries again.
      this.#opened = null;
      throw error;
    });
    return this.#opened;
  }

  #watch(): void {
    const clock = this.#clock;
    if (clock === null) return;
    this.#idle ??= clock.after(IDLE_MS, () => {
      this.#idle = null;
      const isIdle = this.#readCount === 0 && this.#snapshots.size === 0;
      if (this.#opened === null) return;
      if (isIdle && clock.monotonicMs() - this.#readAtMs >= IDLE_MS) this.#endIdle();
      else this.#watch();
    });
  }

  #endIdle(): void {
    this.#end().catch((error: unknown) => {
      // The store was closed meanwhile, and this reader with it.
      if (errorCodeOf(error) !== "CLOSED") throw error;
    });
  }

  /** Forgotten and told in the same turn: a later read opens it anew behind that. */
  #end(): Promise<unknown> {
    this.#opened = null;
    this.#snapshots.clear();
    return this.#calls.close();
  }
}
