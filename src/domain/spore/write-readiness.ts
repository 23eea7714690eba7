/**
 * After an isolation two sides may both have been active. They are compared by a total order, so both sides come to
 * the same answer: the lesser one waits read-only and syncs, unless an operator overrides it.
 */

import type { NodeId } from "../../base/index.ts";

export interface Side {
  /** Whether it holds a quorum of the configuration that both know. */
  readonly hasQuorum: boolean;
  /** Requests committed since the sides parted. */
  readonly processedCount: number;
  /** Of its longest-running voter. */
  readonly uptimeMs: number;
  /** The lowest node id of the side. */
  readonly id: NodeId;
}

export type WriteReadiness =
  | { readonly mayWrite: true; readonly isOverridden: boolean }
  | { readonly mayWrite: false; readonly waitsFor: NodeId };

/** Positive when `a` is the greater side: quorum, then processed volume, then uptime, then the lower id. */
export function compareSides(a: Side, b: Side): number {
  if (a.hasQuorum !== b.hasQuorum) return a.hasQuorum ? 1 : -1;
  if (a.processedCount !== b.processedCount) return a.processedCount - b.processedCount;
  if (a.uptimeMs !== b.uptimeMs) return a.uptimeMs - b.uptimeMs;
  if (a.id === b.id) return 0;
  return a.id < b.id ? 1 : -1;
}

/** Whether the own side may write, given the other active sides that are known. */
export function writeReadiness(
  own: Side,
  others: readonly Side[],
  isOverridden: boolean,
): WriteReadiness {
  const greater = others
    .filter((other) => compareSides(other, own) > 0)
    .sort(compareSides)
    .at(-1);
  if (greater === undefined) return { mayWrite: true, isOverridden: false };
  return isOverridden
    ? { mayWrite: true, isOverridden: true }
    : { mayWrite: false, waitsFor: greater.id };
}
