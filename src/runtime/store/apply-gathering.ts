/**
 * A follower executes committed entries in groups: one message to the writer's thread, one COMMIT and one answer for
 * what a few milliseconds bring. Nothing waits where somebody waits for it: a read, or a leader's first batch.
 */

import { checksTable } from "../../domain/replication/index.ts";
import type { LogEntry, Timer } from "../../ports/index.ts";
import type { ShardContext } from "./shard-context.ts";

export class ApplyGathering {
  readonly #context: ShardContext;
  readonly #wake: () => void;
  #timer: Timer | null = null;
  #isOver = false;

  /** `wake` is called when the pump is to look again. */
  constructor(context: ShardContext, wake: () => void) {
    this.#context = context;
    this.#wake = wake;
    context.applied.onWait = wake;
  }

  /** Whether `pending` entries may wait for more. */
  goesOn(pending: readonly LogEntry[]): boolean {
    if (!this.#isOver && this.#mayWait(pending)) {
      this.#timer ??= this.#context.options.clock.after(
        this.#context.options.limits.applyGatherMs,
        () => {
          this.#timer = null;
          this.#isOver = true;
          this.#wake();
        },
      );
      return true;
    }
    this.#timer?.cancel();
    this.#timer = null;
    this.#isOver = false;
    return false;
  }

  #mayWait(pending: readonly LogEntry[]): boolean {
    const { leadership, options, applied } = this.#context;
    const { applyGatherMs, applyGatherBytesMax, applyCountMax } = options.limits;
    if (applyGatherMs === 0 || pending.length >= applyCountMax || applied.isAwaited) return false;
    const { leader } = leadership;
    if (leader === null || leader === options.authority.node) return false;
    let sizeBytes = 0;
    for (const { payload } of pending) {
      // The leader is about to ask for its hash.
      if (checksTable(payload)) return false;
      sizeBytes += payload.length;
    }
    return sizeBytes < applyGatherBytesMax;
  }
}
