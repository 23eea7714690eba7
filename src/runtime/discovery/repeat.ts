/** Runs a step again and again: the next run is planned when the last one has ended, with 10 % of jitter. */

import type { Random } from "../../base/index.ts";
import type { Clock, Timer } from "../../ports/index.ts";

export class Repeat {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #intervalMs: number;
  readonly #step: () => Promise<void>;
  #timer: Timer | null = null;
  #stopped = false;

  /** `step` handles its own errors. */
  constructor(
    parts: { readonly clock: Clock; readonly random: Random },
    intervalMs: number,
    step: () => Promise<void>,
  ) {
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#intervalMs = intervalMs;
    this.#step = step;
  }

  start(firstDelayMs: number): void {
    this.#timer = this.#clock.after(firstDelayMs, () => void this.#run());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #run(): Promise<void> {
    await this.#step();
    if (!this.#stopped) this.start(this.#intervalMs * (0.9 + this.#random.float() / 5));
  }
}
