/**
 * When a leader waits a moment before its next batch. Clients that were answered together come back together, and a
 * batch costs much the same for one request as for many: so a batch that follows a larger one waits until as many are
 * there as were answered and left waiting, at most `gatherMs`.
 */

import type { ShardContext } from "./shard-context.ts";

/** After a batch of fewer nobody waits: what is saved is little, and a lone client would pay for it. */
const LAST_COUNT_MIN = 3;

/** Where this node's own clients come in. */
export interface Gateway {
  /** Submits what waits there. */
  readonly gather: () => void;
  readonly waitingCount: () => number;
}

export class BatchGathering {
  readonly #context: ShardContext;
  /** Requests that are expected to be there soon. */
  #expectedCount = 0;
  #isDue = false;
  #end: (() => void) | null = null;

  constructor(context: ShardContext) {
    this.#context = context;
  }

  /** A batch of `count` requests was taken. */
  took(count: number): void {
    this.#expectedCount = count;
    this.#isDue = count >= LAST_COUNT_MIN;
  }

  /** The last batch was answered while `count` others waited already. */
  answered(count: number): void {
    this.#expectedCount += count;
  }

  /** Whether the next batch, for which `count` requests are there, should wait. At most once a batch. */
  isWanted(count: number): boolean {
    return this.#isDue && count > 0 && count < this.#expectedCount;
  }

  /** Resolves when all who are expected are there, or a moment later. */
  async wait(): Promise<void> {
    this.#isDue = false;
    await this.#context.pause(this.#context.options.limits.gatherMs, (end) => {
      this.#end = end;
    });
    this.#end = null;
  }

  /** So many requests are there now. */
  arrived(count: number): void {
    if (count >= this.#expectedCount) this.#end?.();
  }
}
