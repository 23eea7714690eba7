/**
 * Who takes part in a group, with which weight. In a joint configuration (Raft thesis 4.3) `outgoing` holds the
 * voters that are on their way out, and every decision needs a quorum of both lists.
 */

import { MyceliumError, type ReplicaId } from "../../base/index.ts";
import {
  decodeCbor,
  encodeCbor,
  integer,
  list,
  malformed,
  mapped,
  object,
  type Shape,
  text,
} from "../wire/index.ts";

export interface Voter {
  readonly replica: ReplicaId;
  /** From 1. */
  readonly weight: number;
}

export interface Configuration {
  /** Ordered by id. Empty in a replica that waits to be told who takes part. */
  readonly voters: readonly Voter[];
  /** Ordered by id; empty unless joint. */
  readonly outgoing: readonly Voter[];
  /** Ordered by id. May name replicas of `outgoing`, which become learners when the joint phase ends. */
  readonly learners: readonly ReplicaId[];
}

/** A group has 1, 3 or 5 voters, at most 7. */
export const VOTERS_MAX = 7;
export const LEARNERS_MAX = 256;
/** Keeps sums of weights far from the limits of exact integers. */
export const WEIGHT_MAX = 1_000_000;
export const REPLICA_ID_LENGTH_MAX = 128;

export const EMPTY_CONFIGURATION: Configuration = { voters: [], outgoing: [], learners: [] };

export const replicaShape: Shape<ReplicaId> = mapped(text(REPLICA_ID_LENGTH_MAX), (id, path) => {
  if (id.length === 0) throw malformed(path, "a replica id", id);
  return id as ReplicaId;
});

const voterShape: Shape<Voter> = object({ replica: replicaShape, weight: integer(1, WEIGHT_MAX) });

const configurationShape: Shape<Configuration> = mapped(
  object({
    voters: list(voterShape, VOTERS_MAX),
    outgoing: list(voterShape, VOTERS_MAX),
    learners: list(replicaShape, LEARNERS_MAX),
  }),
  (found, path) => {
    const problem = configurationProblem(found);
    if (problem !== null) throw malformed(path, problem, found);
    return found;
  },
);

/** Lists ordered and ready to be encoded: the same members give the same bytes. Does not check them. */
export function makeConfiguration(parts: {
  readonly voters: readonly Voter[];
  readonly outgoing?: readonly Voter[];
  readonly learners?: readonly ReplicaId[];
}): Configuration {
  const byId = (a: Voter, b: Voter): number => compareIds(a.replica, b.replica);
  const plain = ({ replica, weight }: Voter): Voter => ({ replica, weight });
  return {
    voters: parts.voters.map(plain).sort(byId),
    outgoing: (parts.outgoing ?? []).map(plain).sort(byId),
    learners: [...(parts.learners ?? [])].sort(compareIds),
  };
}

/** What is wrong with a configuration, as what was needed instead; null when it can be used. */
export function configurationProblem(configuration: Configuration): string | null {
  const { voters, outgoing, learners } = configuration;
  for (const part of [voters, outgoing]) {
    if (part.length > VOTERS_MAX) return `at most ${VOTERS_MAX} voters`;
    if (!isStrictlyOrdered(part.map((voter) => voter.replica))) return "voters ordered by id";
    const weightsHold = part.every(
      ({ weight }) => Number.isSafeInteger(weight) && weight >= 1 && weight <= WEIGHT_MAX,
    );
    if (!weightsHold) return `voters with weights from 1 to ${WEIGHT_MAX}`;
  }
  if (learners.length > LEARNERS_MAX) return `at most ${LEARNERS_MAX} learners`;
  if (!isStrictlyOrdered(learners)) return "learners ordered by id";
  if (voters.some((voter) => learners.includes(voter.replica))) return "learners that do not vote";
  if (voters.length === 0 && (outgoing.length > 0 || learners.length > 0)) return "a voter";
  return null;
}

export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const problem = configurationProblem(configuration);
  if (problem !== null) {
    throw new MyceliumError(
      "BAD_ARGUMENT",
      `Cannot use the configuration: ${describeConfiguration(configuration)}; needed ${problem}`,
    );
  }
  const plain = (voters: readonly Voter[]) =>
    voters.map(({ replica, weight }) => ({ replica: replica as string, weight }));
  return encodeCbor({
    voters: plain(configuration.voters),
    outgoing: plain(configuration.outgoing),
    learners: [...configuration.learners],
  });
}

/** Throws MALFORMED. */
export function decodeConfiguration(bytes: Uint8Array): Configuration {
  return configurationShape(decodeCbor(bytes), "configuration");
}

export function isJoint(configuration: Configuration): boolean {
  return configuration.outgoing.length > 0;
}

export function isVoter(configuration: Configuration, replica: ReplicaId): boolean {
  const named = (voter: Voter): boolean => voter.replica === replica;
  return configuration.voters.some(named) || configuration.outgoing.some(named);
}

/** Every replica that takes part, in any role, once. */
export function replicasOf(configuration: Configuration): ReadonlySet<ReplicaId> {
  const replicas = new Set<ReplicaId>();
  for (const voter of configuration.voters) replicas.add(voter.replica);
  for (const voter of configuration.outgoing) replicas.add(voter.replica);
  for (const learner of configuration.learners) replicas.add(learner);
  return replicas;
}

/** The weight a replica votes with; in a joint configuration the incoming one goes before. Zero for a learner. */
export function weightOf(configuration: Configuration, replica: ReplicaId): number {
  const named = (voter: Voter): boolean => voter.replica === replica;
  return (configuration.voters.find(named) ?? configuration.outgoing.find(named))?.weight ?? 0;
}

/** Vote weight by replica. */
export function weightsOf(configuration: Configuration): ReadonlyMap<ReplicaId, number> {
  const weights = new Map<ReplicaId, number>();
  for (const { replica, weight } of configuration.outgoing) weights.set(replica, weight);
  for (const { replica, weight } of configuration.voters) weights.set(replica, weight);
  return weights;
}

/** "a=2 b=1 | was a=1 | learners c": for errors, traces and scenarios. */
export function describeConfiguration(configuration: Configuration): string {
  const list = (voters: readonly Voter[]): string =>
    voters.map(({ replica, weight }) => `${replica}=${weight}`).join(" ");
  const parts = [list(configuration.voters) || "none"];
  if (isJoint(configuration)) parts.push(`was ${list(configuration.outgoing)}`);
  if (configuration.learners.length > 0) parts.push(`learners ${configuration.learners.join(" ")}`);
  return parts.join(" | ");
}

export function equalConfigurations(a: Configuration, b: Configuration): boolean {
  return describeConfiguration(a) === describeConfiguration(b);
}

/** By UTF-16 code units, the same on every machine. */
function compareIds(a: ReplicaId, b: ReplicaId): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function isStrictlyOrdered(ids: readonly ReplicaId[]): boolean {
  return ids.every((id, i) => i === 0 || compareIds(ids[i - 1] ?? id, id) < 0);
}
