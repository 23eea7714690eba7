/**
 * Whether the participants that an opening froze are the network's, as one node knows its members: whoever opens must
 * not leave out those who would be against, nor let strangers in. Members come and go while a decision is open; that
 * is no objection.
 */

import type { NodeId } from "../../base/index.ts";
import { decisionParticipants, type Participant } from "./decision-weights.ts";

/** A member that may decide. */
export interface Decider {
  readonly node: NodeId;
  /** Before levelling. */
  readonly weight: number;
  readonly joinedAtMs: number;
}

/** Whoever joined so shortly before the opening may not have been known to the one who opened. */
const JOIN_TOLERANCE_MS = 60_000;

/** Null, or what is wrong. `hasLeft` tells members of before. */
export function frozenProblem(
  frozen: readonly Participant[],
  openedAtMs: number,
  deciders: readonly Decider[],
  hasLeft: (node: NodeId) => boolean,
): string | null {
  const named = new Set(frozen.map(({ node }) => node));
  const known = new Map(deciders.map((one) => [one.node, one]));
  const strangers = frozen.filter(({ node }) => !known.has(node));
  const stranger = strangers.find(({ node }) => !hasLeft(node));
  if (stranger !== undefined) return `${stranger.node} takes part and is no member`;
  const settled = deciders.filter(({ joinedAtMs }) => joinedAtMs < openedAtMs - JOIN_TOLERANCE_MS);
  const fairAll = decisionParticipants(new Map(settled.map(({ node, weight }) => [node, weight])));
  const missing = fairAll.find(({ node }) => !named.has(node));
  if (missing !== undefined) return `member ${missing.node} was left out`;
  // The weight of somebody who left is not known any more; that the weights are fair is checked elsewhere.
  if (strangers.length > 0) return null;
  const raw = new Map(frozen.map(({ node }) => [node, known.get(node)?.weight ?? 1]));
  const expected = decisionParticipants(raw);
  const isSame = expected.every(({ weight }, i) => weight === frozen[i]?.weight);
  return isSame ? null : "its weights are not those of the members";
}
