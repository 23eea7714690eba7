/**
 * Steps from one configuration to another. A step whose quorums overlap the old ones' by arithmetic goes directly;
 * any other goes through a joint configuration (Raft thesis 4.3).
 */

import type { ReplicaId } from "../../base/index.ts";
import {
  type Configuration,
  equalConfigurations,
  isJoint,
  makeConfiguration,
  type Voter,
  weightOf,
} from "./configuration.ts";
import { levelWeights } from "./level-weights.ts";

/**
 * The entry that leads to `target`: `target` itself, or the joint configuration before it. Direct only where the
 * voters' weights differ by 1 in all: with integers W and W+1, more than half of either leaves less than half of
 * the other, so any two quorums share a voter.
 */
export function nextConfiguration(current: Configuration, target: Configuration): Configuration {
  if (weightDistance(current.voters, target.voters) <= 1) return target;
  return makeConfiguration({
    voters: target.voters,
    outgoing: current.voters,
    learners: target.learners,
  });
}

/** The configuration that follows a joint one. */
export function leaveJoint(joint: Configuration): Configuration {
  return makeConfiguration({ voters: joint.voters, learners: joint.learners });
}

/**
 * The next single step on the way to `target`, to be proposed once the last one is committed; null when there. New
 * voters come in as learners first, then the set of voters changes, then weights, one voter at a time where that keeps
 * them levelled: a voter that were a quorum alone between two steps could stop the group by its loss. Where it does
 * not, the rest changes at once, through a joint configuration of two levelled ones.
 */
export function stepTowards(current: Configuration, target: Configuration): Configuration | null {
  if (isJoint(current) || equalConfigurations(current, target)) return null;
  const present = new Set([...current.voters.map((voter) => voter.replica), ...current.learners]);
  const missing = [...target.voters.map((voter) => voter.replica), ...target.learners].filter(
    (replica) => !present.has(replica),
  );
  if (missing.length > 0) {
    const learners = [...current.learners, ...missing];
    return makeConfiguration({ voters: current.voters, learners });
  }
  const voters = target.voters.map((voter) => ({
    replica: voter.replica,
    weight: weightOf(current, voter.replica) || voter.weight,
  }));
  const members = makeConfiguration({ voters, learners: target.learners });
  const mustLevel = isLevelled(target.voters);
  if (!equalConfigurations(current, members)) {
    return mustLevel && !isLevelled(members.voters) ? target : members;
  }
  const changed = changesOfOneWeight(current.voters, target);
  const step = mustLevel ? changed.find(isLevelled) : changed[0];
  return makeConfiguration({ voters: step ?? target.voters, learners: target.learners });
}

/** Whether the loss of any minority of voters leaves a quorum. */
function isLevelled(voters: readonly Voter[]): boolean {
  const raw = new Map(voters.map(({ replica, weight }) => [replica, weight]));
  const levelled = levelWeights(raw);
  return voters.every(({ replica, weight }) => levelled.get(replica) === weight);
}

/** The sum of all differences of weight; a voter on one side only counts with all it has. */
export function weightDistance(a: readonly Voter[], b: readonly Voter[]): number {
  const weights = new Map<ReplicaId, number>(a.map((voter) => [voter.replica, voter.weight]));
  let distance = 0;
  for (const { replica, weight } of b) {
    distance += Math.abs(weight - (weights.get(replica) ?? 0));
    weights.delete(replica);
  }
  for (const weight of weights.values()) distance += weight;
  return distance;
}

/** Every way to give one voter the weight it is to have, those that lower it first. */
function changesOfOneWeight(
  voters: readonly Voter[],
  target: Configuration,
): readonly (readonly Voter[])[] {
  const wanted = (voter: Voter): number => weightOf(target, voter.replica);
  const lower = voters.filter((voter) => wanted(voter) < voter.weight);
  const higher = voters.filter((voter) => wanted(voter) > voter.weight);
  return [...lower, ...higher].map((chosen) =>
    voters.map((voter) =>
      voter === chosen ? { replica: voter.replica, weight: wanted(voter) } : voter,
    ),
  );
}
