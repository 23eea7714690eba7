/**
 * A follower's eye on the times that its leader pins. They never fall again, so one that is far ahead of most members'
 * clocks is not stored before a quorum of others has settled it. Only the leader that raises the time is at fault: who
 * comes after it has to go on from there. A time that is behind does no harm that lasts, and cannot be told from one
 * that took long to arrive: the leader itself sees that its clock is off, and others refuse its links.
 */

import { formatDurationMs, type NodeId } from "../../base/index.ts";
import { readBatchTimeMs } from "../../domain/replication/index.ts";
import { CLOCK_OFF_MAX_MS, type ShardContext } from "./shard-context.ts";

export class LeaderTimes {
  readonly #context: ShardContext;
  /** The latest that was stored in this life, applied or not. */
  #storedMs = 0;

  constructor(context: ShardContext) {
    this.#context = context;
  }

  /** See `StateMachine.objection`. PERF: for each entry of each follower; a look at the clock, unless it is far off. */
  readonly objection = (from: NodeId, payload: Uint8Array, isSettled: boolean): string | null => {
    const timeMs = readBatchTimeMs(payload);
    if (timeMs <= this.#storedMs) return null;
    const why = isSettled ? null : this.#whyWrong(from, timeMs);
    if (why === null) this.#storedMs = timeMs;
    return why;
  };

  #whyWrong(from: NodeId, timeMs: number): string | null {
    const { options, pinnedTimeMs } = this.#context;
    if (timeMs <= pinnedTimeMs) return null;
    if (timeMs - options.clock.wallMs() <= CLOCK_OFF_MAX_MS) return null;
    const aheadMs = options.aheadMs(from, timeMs);
    if (aheadMs <= CLOCK_OFF_MAX_MS) return null;
    return `its clock is ${formatDurationMs(aheadMs)} ahead of most members'`;
  }
}
