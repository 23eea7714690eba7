/** How far a replica has applied its log, and who waits for it to get further. */

import { type LogIndex, MyceliumError } from "../../base/index.ts";
import type { Clock, Timer } from "../../ports/index.ts";

interface Waiter {
  readonly index: LogIndex;
  readonly resolve: () => void;
  readonly timer: Timer;
}

export class AppliedIndex {
  readonly #clock: Clock;
  #value: LogIndex;
  #waiters: Waiter[] = [];
  /** Called when somebody begins to wait. */
  onWait: () => void = () => {};

  constructor(clock: Clock, value: LogIndex) {
    this.#clock = clock;
    this.#value = value;
  }

  get value(): LogIndex {
    return this.#value;
  }

  get isAwaited(): boolean {
    return this.#waiters.length > 0;
  }

  /** Never falls, but for `restart` after a database was replaced. */
  advance(index: LogIndex): void {
    if (index <= this.#value) return;
    this.#value = index;
    if (this.#waiters.length === 0) return;
    const reached = this.#waiters.filter((waiter) => waiter.index <= index);
    this.#waiters = this.#waiters.filter((waiter) => waiter.index > index);
    for (const waiter of reached) {
      waiter.timer.cancel();
      waiter.resolve();
    }
  }

  /** Resolves once `index` is applied; rejects with NO_QUORUM after `timeoutMs`. */
  reached(index: LogIndex, timeoutMs: number): Promise<void> {
    if (this.#value >= index) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(timeoutMs, () => {
        this.#waiters = this.#waiters.filter((waiter) => waiter.timer !== timer);
        reject(
          new MyceliumError(
            "NO_QUORUM",
            `Cannot read: this replica is at log index ${this.#value} and did not reach ${index} within ` +
              `${timeoutMs} ms; retry, or read with consistency "local"`,
          ),
        );
      });
      this.#waiters.push({ index, resolve, timer });
      this.onWait();
    });
  }
}
