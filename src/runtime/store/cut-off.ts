/**
 * Whether waiting for a quorum is in vain: this replica knows no leader, and has not been linked with a quorum for
 * longer than an election takes. A client is told so then, not after all the time that a change of leader may take.
 */

import { errorCodeOf } from "../../base/index.ts";
import type { ShardOptions } from "./options.ts";
import type { ShardContext } from "./shard-context.ts";

/** Of a replica that was cut off before: it may be back. */
const PROBE_MS = 100;

export class CutOff {
  readonly #options: ShardOptions;
  readonly #context: ShardContext;

  constructor(options: ShardOptions, context: ShardContext) {
    this.#options = options;
    this.#context = context;
  }

  get isCutOff(): boolean {
    const { limits, quorumUnseenMs } = this.#options;
    return this.#context.leadership.leader === null && quorumUnseenMs() >= limits.cutOffMs;
  }

  /** Waits in steps for what rejects with NO_QUORUM when it takes longer than it is given. */
  async wait(step: (timeoutMs: number) => Promise<void>): Promise<void> {
    const { clock, limits } = this.#options;
    const deadlineMs = clock.monotonicMs() + limits.retryMs;
    for (;;) {
      const leftMs = deadlineMs - clock.monotonicMs();
      const stepMs = this.isCutOff ? PROBE_MS : limits.cutOffMs;
      try {
        return await step(Math.max(1, Math.min(stepMs, leftMs)));
      } catch (error) {
        const isOver = clock.monotonicMs() >= deadlineMs || this.isCutOff;
        if (errorCodeOf(error) !== "NO_QUORUM" || isOver) throw error;
      }
    }
  }
}
