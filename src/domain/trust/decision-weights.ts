/**
 * Weights and bounds of Byzantine decisions. A value needs more than (W+F)/2 of the weight W frozen at opening, where
 * F = floor((W-1)/3) is the weight that may lie: two values cannot both have that, because their supporters would
 * share more than F, and the honest W-F can always reach it (3 equal deciders: 2; 4: 3; 7: 5).
 */

import { assert, type NodeId } from "../../base/index.ts";

export interface Participant {
  readonly node: NodeId;
  /** A whole number from 1. */
  readonly weight: number;
}

export interface DecisionBound {
  readonly total: number;
  /** Weight that may lie without harm. */
  readonly faulty: number;
  /** The least weight that decides. */
  readonly needed: number;
  /** Nodes of which any one may lie; false in networks of three or fewer. */
  readonly toleratesLiar: boolean;
}

/** With fewer deciders no liar is tolerated, whatever the weights. */
const DECIDERS_FOR_LIARS = 4;
/** The heaviest decide where there are more. */
export const PARTICIPANTS_MAX = 255;

/**
 * Who decides, with levelled weights: with four or more deciders no single weight reaches a third of all; with fewer
 * all weigh the same, so that no node alone can stop what the others want. In the order of the ids.
 */
export function decisionParticipants(raw: ReadonlyMap<NodeId, number>): readonly Participant[] {
  const heaviest = [...raw]
    .map(([node, weight]) => ({ node, weight }))
    .sort((a, b) => b.weight - a.weight || (a.node < b.node ? -1 : 1))
    .slice(0, PARTICIPANTS_MAX);
  const cap = weightCap(heaviest.map(({ weight }) => weight));
  return heaviest
    .map(({ node, weight }) => ({ node, weight: Math.min(weight, cap) }))
    .sort((a, b) => (a.node < b.node ? -1 : 1));
}

export function decisionBound(participants: readonly Participant[]): DecisionBound {
  const total = participants.reduce((sum, { weight }) => sum + weight, 0);
  const faulty = Math.max(0, Math.floor((total - 1) / 3));
  return {
    total,
    faulty,
    needed: Math.floor((total + faulty) / 2) + 1,
    toleratesLiar: participants.length >= DECIDERS_FOR_LIARS,
  };
}

/** What a list of participants must be, whoever made it: null, or what is wrong with it. */
export function unfairness(participants: readonly Participant[]): string | null {
  if (participants.length === 0) return "nobody takes part";
  if (participants.length > PARTICIPANTS_MAX) return `more than ${PARTICIPANTS_MAX} take part`;
  for (const [i, { node }] of participants.entries()) {
    const before = participants[i - 1];
    if (before !== undefined && !(before.node < node))
      return "a node is named twice, or in no order";
  }
  const weights = participants.map(({ weight }) => weight);
  return isFair(weights) ? null : "a single node's weight is too large";
}

/** PERF: one pass a step of a binary search over the weights' range. */
function weightCap(weights: readonly number[]): number {
  for (const weight of weights) {
    assert(Number.isSafeInteger(weight) && weight >= 1, `a decider's weight is ${weight}`);
  }
  if (weights.length < DECIDERS_FOR_LIARS) return 1;
  // The lower the cap, the smaller the heaviest's share: at the lightest's weight all are equal, which is fair.
  let low = Math.min(...weights);
  let high = Math.max(...weights);
  while (low < high) {
    const cap = Math.ceil((low + high) / 2);
    if (isFair(weights.map((weight) => Math.min(weight, cap)))) low = cap;
    else high = cap - 1;
  }
  return low;
}

function isFair(weights: readonly number[]): boolean {
  const heaviest = Math.max(...weights);
  if (weights.length < DECIDERS_FOR_LIARS) return heaviest === Math.min(...weights);
  return heaviest * 3 < weights.reduce((sum, weight) => sum + weight, 0);
}
