/**
 * Counts ticks for all groups without waking up at each: one timer, for the tick at which something is due next. Of
 * the time in which this process stood still little counts: it must read what was sent to it before it thinks that
 * nobody sent anything.
 */

import type { Clock, Timer } from "../../ports/index.ts";

const LATE_TICKS_MAX = 2;

export class TickTimer {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #due: (ticks: number) => void;
  #timer: Timer | null = null;
  /** When it is to fire; infinite while nothing is planned. */
  #dueAtMs = Number.POSITIVE_INFINITY;
  /** Up to when ticks are counted. */
  #countedMs: number;
  /** It fired late: as long as it does, each tick is waited for by itself. */
  #wasLate = false;

  /** `due` is told how many ticks have passed, and plans the next. */
  constructor(clock: Clock, tickMs: number, due: (ticks: number) => void) {
    this.#clock = clock;
    this.#tickMs = tickMs;
    this.#due = due;
    this.#countedMs = clock.monotonicMs();
  }

  /** Ticks since they were last counted. */
  count(): number {
    const nowMs = this.#clock.monotonicMs();
    const ticks = Math.floor((nowMs - this.#countedMs) / this.#tickMs);
    if (!this.#isLate(nowMs)) {
      this.#countedMs += ticks * this.#tickMs;
      return ticks;
    }
    this.#countedMs = nowMs;
    return Math.min(LATE_TICKS_MAX, ticks);
  }

  /** Has `due` called `ticks` after those counted, or before. */
  plan(ticks: number): void {
    const dueAtMs = this.#countedMs + (this.#wasLate ? 1 : ticks) * this.#tickMs;
    if (dueAtMs >= this.#dueAtMs) return;
    this.#timer?.cancel();
    this.#dueAtMs = dueAtMs;
    const delayMs = Math.max(1, Math.ceil(dueAtMs - this.#clock.monotonicMs()));
    this.#timer = this.#clock.after(delayMs, () => this.#fire());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #fire(): void {
    this.#wasLate = this.#isLate(this.#clock.monotonicMs());
    const ticks = this.count();
    this.#dueAtMs = Number.POSITIVE_INFINITY;
    this.#due(ticks);
  }

  #isLate(nowMs: number): boolean {
    return nowMs >= this.#dueAtMs + this.#tickMs;
  }
}
