/** What replicas say of one log index, and what follows: truth is the digest of more than half of all weight. */

import { equalBytes, type NodeId, nodeOfReplica, type ReplicaId, toHex } from "../../base/index.ts";

/**
 * A replica's digest; or `later`: it has none yet; `away`: it was not reached; `gone`: it has none any more and
 * never will.
 */
export type DigestAnswer = Uint8Array | "later" | "away" | "gone";

export interface DigestCount {
  /** Null when no digest has more than half of the weight. */
  readonly truth: Uint8Array | null;
  /** True when there is no truth yet, but those who have not answered could make one. */
  readonly isOpen: boolean;
  /** True when two replicas that vote hold different digests. */
  readonly isDisputed: boolean;
}

export function countDigests(
  answers: ReadonlyMap<NodeId, DigestAnswer>,
  weights: ReadonlyMap<ReplicaId, number>,
): DigestCount {
  let total = 0;
  let silent = 0;
  let most = 0;
  let leading: Uint8Array | null = null;
  const held = new Map<string, number>();
  for (const [replica, weight] of weights) {
    total += weight;
    const answer = answers.get(nodeOfReplica(replica)) ?? "away";
    if (answer === "later" || answer === "away") silent += weight;
    if (typeof answer === "string") continue;
    const sum = (held.get(toHex(answer)) ?? 0) + weight;
    held.set(toHex(answer), sum);
    if (sum <= most) continue;
    most = sum;
    leading = answer;
  }
  const truth = most * 2 > total ? leading : null;
  const isOpen = truth === null && (most + silent) * 2 > total;
  return { truth, isOpen, isDisputed: held.size > 1 };
}

/** Who holds something else than the truth. */
export function differing(
  answers: ReadonlyMap<NodeId, DigestAnswer>,
  truth: Uint8Array,
): readonly NodeId[] {
  return [...answers]
    .filter(([, answer]) => typeof answer !== "string" && !equalBytes(answer, truth))
    .map(([node]) => node);
}
