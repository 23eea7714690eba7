/**
 * When a read may be answered here. Strong reads share read-index rounds: a read joins the round that starts next,
 * never one that started before it arrived, so each answer is linearizable (Raft thesis 6.4).
 */

import { type LogIndex, MyceliumError } from "../../base/index.ts";
import type { Clock, GroupLog } from "../../ports/index.ts";
import type { AppliedIndex } from "./applied-index.ts";

export class ReadGate {
  readonly #clock: Clock;
  readonly #log: GroupLog;
  readonly #applied: AppliedIndex;
  #running: Promise<LogIndex> | null = null;
  #next: Promise<LogIndex> | null = null;
  /** Start of the newest round whose index is applied here: the state is at least as fresh as this. */
  #confirmedAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, log: GroupLog, applied: AppliedIndex) {
    this.#clock = clock;
    this.#log = log;
    this.#applied = applied;
  }

  /** Resolves once this replica holds everything acknowledged before the call. Rejects with NO_QUORUM. */
  async strong(timeoutMs: number): Promise<void> {
    const startedMs = this.#clock.monotonicMs();
    const index = await this.#round(timeoutMs);
    const leftMs = Math.max(1, timeoutMs - (this.#clock.monotonicMs() - startedMs));
    await this.#applied.reached(index, leftMs);
    this.#confirmedAtMs = Math.max(this.#confirmedAtMs, startedMs);
  }

  /** Resolves once this replica's state is at most `maxStaleMs` old. */
  async bounded(maxStaleMs: number, timeoutMs: number): Promise<void> {
    if (this.#clock.monotonicMs() - this.#confirmedAtMs <= maxStaleMs) return;
    try {
      await this.strong(timeoutMs);
    } catch (error) {
      throw new MyceliumError(
        "UNREACHABLE",
        `Cannot read: this replica may be more than ${maxStaleMs} ms old and reached no leader; ` +
          'retry, or read with consistency "local"',
        { cause: error },
      );
    }
  }

  #round(timeoutMs: number): Promise<LogIndex> {
    if (this.#running === null) return this.#start(timeoutMs);
    this.#next ??= this.#running
      .then(
        () => undefined,
        () => undefined,
      )
      .then(() => {
        this.#next = null;
        return this.#start(timeoutMs);
      });
    return this.#next;
  }

  #start(timeoutMs: number): Promise<LogIndex> {
    const round = this.#log.readIndex(timeoutMs).finally(() => {
      if (this.#running === round) this.#running = null;
    });
    this.#running = round;
    return round;
  }
}
