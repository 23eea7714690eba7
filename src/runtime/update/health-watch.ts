/**
 * While the core of this process is on trial: looks at the node's health, confirms the core, or makes the one before
 * active again and asks for the restart into it.
 */

import { MyceliumError, messageOf } from "../../base/index.ts";
import {
  type HealthBefore,
  type TrialVerdict,
  TrialWatch,
  trialMemoryMax,
} from "../../domain/update/index.ts";
import type { Clock, Logger, Metrics, SlotStore, Timer } from "../../ports/index.ts";

/** Looks in a row at which something is wrong. */
const UNHEALTHY_LOOKS = 6;
const DEADLINE_MS = 300_000;

export interface Health {
  readonly memoryBytes: number;
  /** What is wrong and lets the node be unhealthy, one line each. */
  readonly faults: readonly string[];
  /** What waiting does not mend. */
  readonly critical: readonly string[];
}

export interface HealthWatchOptions {
  readonly slots: SlotStore;
  readonly before: HealthBefore | null;
  readonly intervalMs: number;
  readonly confirmAfterMs: number;
  /** Null: by what the core before used. */
  readonly memoryMaxBytes: number | null;
  health(): Promise<Health>;
  /** The record names the other core: this process must become it. */
  restart(): void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export class HealthWatch {
  readonly #options: HealthWatchOptions;
  readonly #watch: TrialWatch;
  #timer: Timer | null = null;
  #isOver = false;

  constructor(options: HealthWatchOptions) {
    const { before, clock, confirmAfterMs, intervalMs } = options;
    this.#options = options;
    this.#watch = new TrialWatch(
      {
        confirmAfterMs,
        lookEveryMs: intervalMs,
        unhealthyForMs: UNHEALTHY_LOOKS * intervalMs,
        deadlineMs: DEADLINE_MS,
        memoryMaxBytes: options.memoryMaxBytes ?? trialMemoryMax(before),
      },
      before,
      clock.monotonicMs(),
    );
    this.#plan(0);
  }

  stop(): void {
    this.#isOver = true;
    this.#timer?.cancel();
  }

  #plan(delayMs: number): void {
    this.#timer = this.#options.clock.after(delayMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    if (this.#isOver) return;
    const health = await this.#health();
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#isOver) return;
    const verdict = this.#watch.look({ ...health, nowMs });
    if (verdict.kind === "wait") this.#plan(this.#options.intervalMs);
    else await this.#end(verdict);
  }

  /** A node that cannot even be asked is ill. */
  async #health(): Promise<Health> {
    try {
      return await this.#options.health();
    } catch (error) {
      if (!(error instanceof MyceliumError)) throw error;
      return {
        memoryBytes: 0,
        faults: [`its health is not to be had: ${error.code}`],
        critical: [],
      };
    }
  }

  async #end(verdict: TrialVerdict): Promise<void> {
    const { slots, logger, metrics, restart, intervalMs } = this.#options;
    try {
      if (verdict.kind === "revert") {
        this.stop();
        const { version } = slots.read().active;
        logger.error("this version is taken back", { version, reason: verdict.reason });
        metrics.count("mycelium_update_reverts_total");
        // Not on trial any more: the launcher's guardian was first, and ends this process.
        if (await slots.revert(verdict.reason)) restart();
        return;
      }
      await slots.confirm();
      this.stop();
      logger.info("this version is confirmed", { version: slots.read().active.version });
    } catch (error) {
      if (!(error instanceof MyceliumError)) throw error;
      // A full disk, say: it is tried again; the launcher's guardian has the last word.
      logger.error("the outcome of the trial cannot be written", { reason: messageOf(error) });
      this.#isOver = false;
      this.#plan(intervalMs);
    }
  }
}
