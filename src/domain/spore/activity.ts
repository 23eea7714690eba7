/**
 * When a node was there: periods of activity, in which short absences are only counted. A node that flaps has one
 * period with many interruptions, not many periods.
 */

import { timeShape } from "../identity/index.ts";
import { integer, list, malformed, mapped, object, type Shape } from "../wire/index.ts";

export interface ActivityPeriod {
  /** Unix milliseconds. */
  readonly fromMs: number;
  /** When the node was last known to be there. */
  readonly toMs: number;
  /** Absences inside, each shorter than `FLAP_GAP_MS`. */
  readonly interruptionCount: number;
}

/** A shorter absence is an interruption, a longer one ends the period. */
export const FLAP_GAP_MS = 600_000;
/** Older periods are merged into the oldest one kept. */
export const PERIODS_MAX = 16;

export const activityShape: Shape<readonly ActivityPeriod[]> = mapped(
  list(
    object({ fromMs: timeShape, toMs: timeShape, interruptionCount: integer(0, 0xffff_ffff) }),
    PERIODS_MAX,
  ),
  (periods, path) => {
    const isOrdered = periods.every(
      ({ fromMs, toMs }, i) => fromMs <= toMs && fromMs >= (periods[i - 1]?.toMs ?? 0),
    );
    if (!isOrdered) throw malformed(path, "periods in order", periods);
    return periods;
  },
);

/** The node starts, or is back, at `nowMs`. A clock that went backwards starts no period in the past. */
export function beginActivity(
  periods: readonly ActivityPeriod[],
  nowMs: number,
): readonly ActivityPeriod[] {
  const last = periods.at(-1);
  if (last !== undefined && nowMs - last.toMs < FLAP_GAP_MS) {
    const toMs = Math.max(last.toMs, nowMs);
    const interruptionCount = last.interruptionCount + 1;
    return [...periods.slice(0, -1), { ...last, toMs, interruptionCount }];
  }
  return condensed([...periods, { fromMs: nowMs, toMs: nowMs, interruptionCount: 0 }]);
}

/** The node is still there at `nowMs`. */
export function continueActivity(
  periods: readonly ActivityPeriod[],
  nowMs: number,
): readonly ActivityPeriod[] {
  const last = periods.at(-1);
  if (last === undefined) return beginActivity(periods, nowMs);
  return [...periods.slice(0, -1), { ...last, toMs: Math.max(last.toMs, nowMs) }];
}

function condensed(periods: readonly ActivityPeriod[]): readonly ActivityPeriod[] {
  const [first, second, ...rest] = periods;
  if (periods.length <= PERIODS_MAX || first === undefined || second === undefined) return periods;
  const interruptionCount = first.interruptionCount + second.interruptionCount + 1;
  return [{ fromMs: first.fromMs, toMs: second.toMs, interruptionCount }, ...rest];
}
