/**
 * Whom a rollout may take down without costing any Raft group its quorum. Nodes that are away already count as down,
 * and several go at once only where one more could fail besides.
 */

import type { NodeId } from "../../base/index.ts";

/** The voters of one Raft group; of both halves while it changes. */
export interface GroupVoters {
  readonly group: string;
  readonly voters: readonly { readonly node: NodeId; readonly weight: number }[];
}

/**
 * Whether `wave` may go down while `down` are down already. A voter without which there is no quorum, as of two, can
 * never be spared: it goes alone, when all others are there.
 */
export function mayGoDown(
  groups: readonly GroupVoters[],
  down: ReadonlySet<NodeId>,
  wave: readonly NodeId[],
): boolean {
  return groups.every(({ voters }) => {
    const going = voters.filter(({ node }) => wave.includes(node));
    if (going.length === 0) return true;
    const staying = voters.filter(({ node }) => !wave.includes(node));
    const left = staying.filter(({ node }) => !down.has(node));
    const total = sumOf(voters);
    if (going.length === 1 && sumOf(staying) * 2 <= total) return left.length === staying.length;
    const spare = going.length > 1 ? Math.max(0, ...left.map(({ weight }) => weight)) : 0;
    return (sumOf(left) - spare) * 2 > total;
  });
}

function sumOf(voters: GroupVoters["voters"]): number {
  return voters.reduce((sum, { weight }) => sum + weight, 0);
}

/** Vote weight of a node over all groups: the lightest go first. */
export function weightOf(groups: readonly GroupVoters[], node: NodeId): number {
  return groups
    .flatMap(({ voters }) => voters)
    .filter((voter) => voter.node === node)
    .reduce((sum, { weight }) => sum + weight, 0);
}
