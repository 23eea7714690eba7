/**
 * One simulated machine: its clock, and the gate through which every event reaches the process on it. A crash closes
 * the gate for all that the dead process still awaited; a pause (SIGSTOP, a swapping Pi) holds events back and then
 * lets them in in order.
 */

import type { Clock, Timer } from "../../ports/index.ts";
import type { Scheduled, Scheduler } from "./scheduler.ts";

export interface HostOptions {
  /** Offset of the wall clock from true time at the start. */
  readonly wallOffsetMs: number;
  /** How fast this machine's clocks run: 1.001 is a second too many in 1,000. */
  readonly rate: number;
}

/** True wall time at the start of every simulation: 2026-01-01T00:00:00Z. */
export const EPOCH_MS = 1_767_225_600_000;

export class MemoryHost implements Clock {
  readonly name: string;
  readonly scheduler: Scheduler;
  #wallOffsetMs: number;
  readonly #rate: number;
  #life = 0;
  #isUp = true;
  #isPaused = false;
  #held: (() => void)[] = [];

  constructor(name: string, scheduler: Scheduler, options?: Partial<HostOptions>) {
    this.name = name;
    this.scheduler = scheduler;
    this.#wallOffsetMs = options?.wallOffsetMs ?? 0;
    this.#rate = options?.rate ?? 1;
  }

  /** Counts the processes that have run here. */
  get life(): number {
    return this.#life;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  wallMs(): number {
    return Math.floor(EPOCH_MS + this.#wallOffsetMs + this.scheduler.nowMs * this.#rate);
  }

  monotonicMs(): number {
    return this.scheduler.nowMs * this.#rate;
  }

  after(delayMs: number, callback: () => void): Timer {
    return this.enter(delayMs / this.#rate, callback);
  }

  /** Moves the wall clock; the monotonic one goes on as before. */
  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  /** An event for the process that runs now: dropped if that one has died by then, held while it is paused. */
  enter(delayMs: number, callback: () => void): Scheduled {
    return this.enterAt(this.scheduler.nowMs + delayMs, callback);
  }

  /** The same at a moment of the scheduler's time. */
  enterAt(atMs: number, callback: () => void): Scheduled {
    const life = this.#life;
    let cancelled = false;
    const deliver = () => {
      if (cancelled || life !== this.#life || !this.#isUp) return;
      if (this.#isPaused) this.#held.push(deliver);
      else callback();
    };
    const scheduled = this.scheduler.scheduleAt(atMs, deliver);
    return {
      cancel() {
        cancelled = true;
        scheduled.cancel();
      },
    };
  }

  /** Resolves after a delay, unless this process dies first: then never. */
  delay(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.enter(delayMs, resolve));
  }

  kill(): void {
    this.#isUp = false;
    this.#isPaused = false;
    this.#held = [];
  }

  start(): void {
    this.#life++;
    this.#isUp = true;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    const held = this.#held;
    this.#held = [];
    for (const deliver of held) this.scheduler.schedule(0, deliver);
  }
}
