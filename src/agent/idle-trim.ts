/** Gives memory back whenever the node has become idle after being busy: after its start, after a load. */

import type { Clock, Timer } from "../ports/index.ts";

const INTERVAL_MS = 15_000;
/** Less than this share of a core is idle. */
const IDLE_SHARE = 0.1;

export class IdleTrim {
  readonly #clock: Clock;
  readonly #trim: () => void;
  #usage = process.cpuUsage();
  #timer: Timer;
  #isDue = true;

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
    if (isIdle && this.#isDue) this.#trim();
    this.#isDue = !isIdle;
    this.#timer = this.#clock.after(INTERVAL_MS, () => this.#look());
  }
}
