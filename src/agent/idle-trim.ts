/** Gives memory back when the node has become idle after being busy, and once a minute while it stays so. */

import type { Clock, Timer } from "../ports/index.ts";

const INTERVAL_MS = 15_000;
/** Less than this share of a core is idle. */
const IDLE_SHARE = 0.1;
/** While idle, every so many looks. */
const TRIM_EVERY = 4;

export class IdleTrim {
  readonly #clock: Clock;
  readonly #trim: () => void;
  #usage = process.cpuUsage();
  #timer: Timer;
  /** Idle looks since the last trim; large while the node was busy since. */
  #idleCount = TRIM_EVERY;

  constructor(clock: Clock, trim: () => void) {
    this.#clock = clock;
    this.#trim = trim;
    this.#timer = clock.after(INTERVAL_MS, () => this.#look());
  }

  stop(): void {
    this.#timer.cancel();
  }

  #look(): void {
    const { user, system } = process.cpuUsage(this.#usage);
    this.#usage = process.cpuUsage();
    const isIdle = (user + system) / 1_000 < INTERVAL_MS * IDLE_SHARE;
    const isDue = this.#idleCount >= TRIM_EVERY;
    if (isIdle && isDue) this.#trim();
    if (!isIdle) this.#idleCount = TRIM_EVERY;
    else this.#idleCount = isDue ? 1 : this.#idleCount + 1;
    this.#timer = this.#clock.after(INTERVAL_MS, () => this.#look());
  }
}
