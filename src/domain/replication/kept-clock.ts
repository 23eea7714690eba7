/**
 * How long the results of requests are kept for retries. Their age is told by a clock of its own, which follows pinned
 * time from batch to batch but takes little of a leap: a leader whose clock jumps, or a machine that learns the time
 * only after its start, must not have all results forgotten at once.
 */

/** By the kept clock. */
export const RESULT_KEPT_MS = 600_000;

/** Of what passes from one batch to the next at most so much counts. */
export const RESULT_AGE_STEP_MS = 60_000;

/**
 * What the kept clock shows for a batch pinned at `timeMs`: `newestMs` is what it showed for the newest result, null
 * when none is kept; `previousTimeMs` is the batch's before, not later than `timeMs`.
 */
export function keptClockMs(
  newestMs: number | null,
  previousTimeMs: number,
  timeMs: number,
): number {
  if (newestMs === null) return timeMs;
  return newestMs + Math.min(timeMs - previousTimeMs, RESULT_AGE_STEP_MS);
}
