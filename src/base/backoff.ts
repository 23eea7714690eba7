/** Exponential backoff with full jitter on the upper half, so that many nodes do not retry in step. */

import type { Random } from "./random.ts";

export interface BackoffLimits {
  readonly initialMs: number;
  readonly maxMs: number;
  /** Factor between attempts, over 1. */
  readonly multiplier: number;
}

export class Backoff {
  readonly #limits: BackoffLimits;
  readonly #random: Random;
  #attempts = 0;

  constructor(limits: BackoffLimits, random: Random) {
    this.#limits = limits;
    this.#random = random;
  }

  get attempts(): number {
    return this.#attempts;
  }

  /** How long to wait before the next attempt: half to all of the exponential step. */
  nextDelayMs(): number {
    const { initialMs, maxMs, multiplier } = this.#limits;
    const stepMs = Math.min(maxMs, initialMs * multiplier ** this.#attempts);
    this.#attempts++;
    return Math.round(stepMs * (0.5 + this.#random.float() / 2));
  }

  /** Call after a success: the next failure waits `initialMs` again. */
  reset(): void {
    this.#attempts = 0;
  }
}
