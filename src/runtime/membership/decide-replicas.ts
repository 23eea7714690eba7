/**
 * Which members hold a shard's replicas, and which of them vote: the configuration to go to, as pure data. The
 * group's leader asks after each change of members, liveness or progress, and takes one Raft step towards it.
 * There are 1, 2, 3 or 5 voters (at most 7) of tiers 0 and 1; a voter gone for 10 minutes gives way to a learner.
 */

import { type NodeId, nodeOfReplica, type ReplicaId, replicaOfNode } from "../../base/index.ts";
import {
  type Configuration,
  isJoint,
  levelWeights,
  makeConfiguration,
  stepTowards,
} from "../../domain/raft/index.ts";
import { voteWeight } from "../../domain/trust/index.ts";
import type { Member } from "./member.ts";

/** How long a voter may be gone before a learner takes its place. */
export const VOTER_GONE_MS = 600_000;
/** Voters wanted where there are enough validators. */
export const VOTER_COUNT_DEFAULT = 5;
/** Raft's list of learners is bounded; what does not fit reads through others. */
const LEARNERS_MAX = 256;

export interface PlacementInput {
  readonly members: readonly Member[];
  readonly current: Configuration;
  /** Whether miners hold read-only replicas of this shard (`main`: yes, `system`: no). */
  readonly forMiners: boolean;
  /** How long the leader has not heard of a node; 0 for itself and while a link is up. */
  readonly unseenMs: (node: NodeId) => number;
  /** Whether a learner has all but the last few entries. */
  readonly isCaughtUp: (replica: ReplicaId) => boolean;
  /** 1, 2, 3, 5 or 7 at most; VOTER_COUNT_DEFAULT unless told. */
  readonly voterCountMax?: number;
}

interface Candidate {
  readonly member: Member;
  readonly replica: ReplicaId;
  /** 0: votes and is there; 1: a learner that could vote; 2: votes and is gone. */
  readonly rank: 0 | 1 | 2;
}

/**
 * The configuration to reach. Its voters are those of the current one when nobody could vote; the others learn then, so
 * that somebody can.
 */
export function decideReplicas(input: PlacementInput): Configuration {
  const holders = input.members.filter((member) => holdsReplica(member, input.forMiners));
  const candidates = holders.flatMap((member) => candidateOf(member, input) ?? []);
  const count = voterCount(candidates.length, input.voterCountMax ?? VOTER_COUNT_DEFAULT);
  const chosen = candidates.sort(byFitness).slice(0, count);
  if (chosen.length === 0 && input.current.voters.length === 0) return input.current;
  const weights =
    chosen.length === 0
      ? new Map(input.current.voters.map(({ replica, weight }) => [replica, weight]))
      : levelWeights(new Map(chosen.map(({ member, replica }) => [replica, rawWeight(member)])));
  const learners = holders.map(replicaOf).filter((replica) => !weights.has(replica));
  return makeConfiguration({
    voters: [...weights].map(([replica, weight]) => ({ replica, weight })),
    learners: learners.slice(0, LEARNERS_MAX),
  });
}

/** The next single step towards it; null while a joint change is under way or when all is as it should be. */
export function nextReplicaChange(input: PlacementInput): Configuration | null {
  return isJoint(input.current) ? null : stepTowards(input.current, decideReplicas(input));
}

/** 1, 2, 3, 5, 7: beyond two an even number only adds weight to lose. */
export function voterCount(available: number, max: number): number {
  const bound = Math.min(available, max);
  return bound <= 2 || bound % 2 === 1 ? bound : bound - 1;
}

/** The weight before levelling. */
export function rawWeight(member: Member): number {
  return voteWeight(member.tier, member.validatorWeight);
}

function holdsReplica(member: Member, forMiners: boolean): boolean {
  if (member.state !== "active" || member.class === "hypha") return false;
  return member.role === "validator" || (forMiners && member.role === "miner");
}

function candidateOf(member: Member, input: PlacementInput): Candidate | null {
  if (member.role !== "validator" || member.class !== "sclerotium" || member.tier > 1) return null;
  const replica = replicaOf(member);
  const isGone = input.unseenMs(member.id) >= VOTER_GONE_MS;
  if (input.current.voters.some((voter) => voter.replica === replica)) {
    return { member, replica, rank: isGone ? 2 : 0 };
  }
  const isReady = input.current.learners.includes(replica) && input.isCaughtUp(replica);
  return isReady && input.unseenMs(member.id) === 0 ? { member, replica, rank: 1 } : null;
}

function replicaOf(member: Member): ReplicaId {
  return replicaOfNode(member.id, member.replicaLife);
}

/** Voters that are there stay; then the heaviest. Ids make the order total. */
function byFitness(a: Candidate, b: Candidate): number {
  const byRank = a.rank - b.rank || rawWeight(b.member) - rawWeight(a.member);
  return byRank || (a.replica < b.replica ? -1 : 1);
}

/** Whether a node still takes part in a group, in any life and role: a leaving one waits until it does not. */
export function takesPart(configuration: Configuration, node: NodeId): boolean {
  const replicas = [
    ...configuration.voters.map((voter) => voter.replica),
    ...configuration.outgoing.map((voter) => voter.replica),
    ...configuration.learners,
  ];
  return replicas.some((replica) => nodeOfReplica(replica) === node);
}
