/** Compares this machine's wall clock with its peers', from what they say when a link comes up. */

import type { NodeId } from "../base/index.ts";
import type { Clock } from "../ports/index.ts";

/** More is worth a word: certificates, tokens and bundles allow 5 minutes. */
const OFF_MAX_MS = 60_000;

export class ClockCheck {
  readonly #clock: Clock;
  readonly #offMs = new Map<NodeId, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(node: NodeId, wallMs: number): void {
    this.#offMs.set(node, this.#clock.wallMs() - wallMs);
  }

  forget(node: NodeId): void {
    this.#offMs.delete(node);
  }

  /** How far this clock is ahead of the peers' median; null while it agrees or there is no peer. */
  offMs(): number | null {
    const sorted = [...this.#offMs.values()].sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)];
    return median === undefined || Math.abs(median) <= OFF_MAX_MS ? null : median;
  }
}
