/**
 * Levelled weights: the heaviest voters are lowered until the floor((n-1)/2) heaviest hold less than
 * half of all weight, so that losing any minority of nodes neither loses nor stops anything. Of two voters neither
 * may be a quorum alone, else its loss would lose acknowledged writes: they become equal.
 */

import { assert, type ReplicaId } from "../../base/index.ts";

/** Weights from 1; none is raised, and none is lowered below another that was lighter. */
export function levelWeights(raw: ReadonlyMap<ReplicaId, number>): Map<ReplicaId, number> {
  for (const [replica, weight] of raw) {
    assert(Number.isSafeInteger(weight) && weight >= 1, `the weight of ${replica} is ${weight}`);
  }
  if (raw.size === 0) return new Map();
  const minority = Math.floor((raw.size - 1) / 2);
  // Lowering the cap is monotonous: with all weights equal a minority never holds half, so a cap is found.
  let low = Math.min(...raw.values());
  let high = Math.max(...raw.values());
  while (low < high) {
    const cap = Math.ceil((low + high) / 2);
    if (minorityIsLight(raw, cap, minority)) low = cap;
    else high = cap - 1;
  }
  return new Map([...raw].map(([replica, weight]) => [replica, Math.min(weight, low)]));
}

function minorityIsLight(
  raw: ReadonlyMap<ReplicaId, number>,
  cap: number,
  minority: number,
): boolean {
  const weights = [...raw.values()].map((weight) => Math.min(weight, cap)).sort((a, b) => b - a);
  const sum = (part: readonly number[]): number =>
    part.reduce((total, weight) => total + weight, 0);
  const total = sum(weights);
  const isAloneQuorum = weights.length > 1 && Math.max(...weights) * 2 > total;
  return !isAloneQuorum && sum(weights.slice(0, minority)) * 2 < total;
}
