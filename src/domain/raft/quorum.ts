/**
 * Weighted quorums: more than half of all weight, in both halves of a joint configuration (Raft thesis 4.3). Two
 * quorums of one configuration always share a voter, because both cannot have more than half.
 */

import type { ReplicaId } from "../../base/index.ts";
import type { Configuration, Voter } from "./configuration.ts";

export type VoteOutcome = "won" | "lost" | "pending";

/** Whether the replicas for which `has` holds are a quorum. Replicas that do not vote count for nothing. */
export function hasQuorum(
  configuration: Configuration,
  has: (replica: ReplicaId) => boolean,
): boolean {
  return (
    isMajority(configuration.voters, has) &&
    (configuration.outgoing.length === 0 || isMajority(configuration.outgoing, has))
  );
}

/** `lost` once those who have not refused are no quorum any more. */
export function voteOutcome(
  configuration: Configuration,
  votes: ReadonlyMap<ReplicaId, boolean>,
): VoteOutcome {
  if (hasQuorum(configuration, (replica) => votes.get(replica) === true)) return "won";
  return hasQuorum(configuration, (replica) => votes.get(replica) !== false) ? "pending" : "lost";
}

/**
 * The highest number that a quorum has reached, where `reachedBy` tells it for each replica: the commit index of
 * match indexes, the confirmed round of heartbeat rounds. Zero without voters.
 */
export function quorumIndex(
  configuration: Configuration,
  reachedBy: (replica: ReplicaId) => number,
): number {
  const incoming = majorityIndex(configuration.voters, reachedBy);
  if (configuration.outgoing.length === 0) return incoming;
  return Math.min(incoming, majorityIndex(configuration.outgoing, reachedBy));
}

function isMajority(voters: readonly Voter[], has: (replica: ReplicaId) => boolean): boolean {
  return reachesMajority(voters, (replica) => (has(replica) ? 1 : 0), 1);
}

/** Whether voters with more than half of the weight have reached `number`. */
function reachesMajority(
  voters: readonly Voter[],
  reachedBy: (replica: ReplicaId) => number,
  number: number,
): boolean {
  let total = 0;
  let held = 0;
  for (const { replica, weight } of voters) {
    total += weight;
    if (reachedBy(replica) >= number) held += weight;
  }
  return held * 2 > total;
}

/** PERF: quadratic in the voters, which are at most 7; allocates nothing, because it runs at each acknowledgement. */
function majorityIndex(
  voters: readonly Voter[],
  reachedBy: (replica: ReplicaId) => number,
): number {
  let best = 0;
  for (const candidate of voters) {
    const index = reachedBy(candidate.replica);
    if (index > best && reachesMajority(voters, reachedBy, index)) best = index;
  }
  return best;
}
