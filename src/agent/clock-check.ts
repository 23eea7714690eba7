/**
 * Compares this machine's wall clock with its peers', from what they say when a link comes up. From then on their
 * clocks are taken to run as evenly as this machine's monotonic one: a jump of this wall clock is seen at once, and a
 * jump of theirs once they are asked again, as they are when something does not fit (`ClockUpkeep`).
 */

import type { NodeId } from "../base/index.ts";
import type { Clock } from "../ports/index.ts";

/** More is worth a word: certificates, tokens and bundles allow 5 minutes. */
const OFF_MAX_MS = 60_000;

export class ClockCheck {
  readonly #clock: Clock;
  /** Each peer's wall clock at zero of this machine's monotonic clock. */
  readonly #origins = new Map<NodeId, number>();

  #isDoubted = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether this clock or what a peer said did not fit the others since this was asked last. */
  takeDoubt(): boolean {
    const isDoubted = this.#isDoubted || this.offMs() !== null;
    this.#isDoubted = false;
    return isDoubted;
  }

  note(node: NodeId, wallMs: number): void {
    this.#origins.set(node, wallMs - this.#clock.monotonicMs());
  }

  forget(node: NodeId): void {
    this.#origins.delete(node);
  }

  /** How far this clock is ahead of the peers' median; null while it agrees or there is no peer. */
  offMs(): number | null {
    const sorted = this.#aheadMs([]);
    const median = sorted[Math.floor(sorted.length / 2)];
    return median === undefined || Math.abs(median) <= OFF_MAX_MS ? null : median;
  }

  /** How far this clock is ahead of the median of all, this one included; of two middles the nearer one counts. */
  aheadOfAllMs(): number {
    return nearestMiddle(this.#aheadMs([0]));
  }

  /** The same of a peer whose clock shows `saidMs` now; 0 where that cannot be told, as with two members. */
  peerAheadMs(peer: NodeId, saidMs: number): number {
    const others = [...this.#origins].filter(([node]) => node !== peer);
    const monotonicMs = this.#clock.monotonicMs();
    const clocks = [this.#clock.wallMs(), ...others.map(([, origin]) => origin + monotonicMs)];
    const aheadMs = nearestMiddle(
      [...clocks.map((clockMs) => saidMs - clockMs), 0].sort(ascending),
    );
    if (Math.abs(aheadMs) > OFF_MAX_MS) this.#isDoubted = true;
    return aheadMs;
  }

  /** Of each peer, ascending, `own` among them. */
  #aheadMs(own: readonly number[]): number[] {
    const originMs = this.#clock.wallMs() - this.#clock.monotonicMs();
    const aheadMs = [...own];
    for (const origin of this.#origins.values()) aheadMs.push(originMs - origin);
    return aheadMs.sort(ascending);
  }
}

function ascending(a: number, b: number): number {
  return a - b;
}

/** The median; of two middles the one nearer to 0. */
function nearestMiddle(sorted: readonly number[]): number {
  const low = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  const high = sorted[Math.floor(sorted.length / 2)] ?? 0;
  return Math.abs(low) < Math.abs(high) ? low : high;
}
