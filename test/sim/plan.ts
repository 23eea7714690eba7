/** What one seed tries: the size of the network, its weather and its faults. Each seed has its own mixture. */

import type { Random } from "../../src/base/index.ts";

export const FAULTS = [
  "kill",
  "power-cut",
  "power-cut-all",
  "partition",
  "one-way",
  "isolate-leader",
  "drop-link",
  "pause",
  "slow-disk",
  "slow-node",
  "clock-jump",
  "transfer",
  "damage",
  "corrupt",
  "disk-full",
  "change-weight",
  "change-members",
  "disown",
  "put-back",
  "clock-leap",
] as const;

export type Fault = (typeof FAULTS)[number];

/** Moments at which a fault does most harm; some plans lie in wait for them. */
export const MOMENTS = ["vote", "lead", "configuration", "old-commit"] as const;

/** Besides in duels: a follower takes several entries at once, and is lost before it says so. */
export type Moment = (typeof MOMENTS)[number] | "catch-up";

/** A network that begins with one node and changes: others join, leave, are removed, and move. */
export interface Growth {
  /** Machines besides the first, each a member at most once. */
  readonly guestCount: number;
  /** Few at a time, who come and go all along: every one's vote counts. */
  readonly isSmall: boolean;
  /** How many of them join before anything goes wrong. */
  readonly earlyCount: number;
  /** Mean time between the operator's acts. */
  readonly actGapMs: number;
  /** Without it records spread over links only. */
  readonly hasGossip: boolean;
  readonly gossipLossRate: number;
  readonly hasSeed: boolean;
}

export interface Plan {
  readonly seed: number;
  /** Vote weight of each voter at the start. */
  readonly weights: readonly number[];
  /** Nodes that start as learners. */
  readonly learnerCount: number;
  readonly faults: readonly Fault[];
  readonly ambushes: readonly Moment[];
  /** Mean time between faults, and how long the longest lasts. */
  readonly faultGapMs: number;
  readonly faultLengthMs: number;
  /** The faulty part of the run; then everything heals. */
  readonly stormMs: number;
  readonly clientCount: number;
  readonly clientGapMs: number;
  readonly delayMs: readonly [min: number, max: number];
  /** Loss, duplication and reordering of Raft's messages, beyond what a link does. */
  readonly hostile: { readonly lossRate: number; readonly delayMaxMs: number } | null;
  readonly syncMs: readonly [min: number, max: number];
  readonly databaseMs: number;
  readonly checkpointMs: number;
  /** Entries kept behind the cut when the log is compacted. */
  readonly trailingCount: number;
  readonly tableCount: number;
  readonly electionMs: number;
  /** How long a gateway tries again before it answers. */
  readonly retryMs: number;
  /** Bytes of entries in one append: 1 sends them one by one. */
  readonly appendBytesMax: number;
  readonly inflightCountMax: number;
  /** Null: all nodes are members from the start, and membership is not run. */
  readonly growth: Growth | null;
}

/** Those whose network grows: one in so many. */
export const GROWING_SEEDS = { first: 3, step: 4 } as const;

const RETRIES_MS = [10_000, 1_500, 4_000];
const VOTER_COUNTS = [1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 5, 7];

export function planOf(seed: number, random: Random): Plan {
  const pick = <T>(values: readonly T[]): T => values[random.below(values.length)] as T;
  const voterCount = pick(VOTER_COUNTS);
  const isEven = random.below(2) === 0;
  const slowestMs = pick([0.5, 2, 10, 40]);
  const plan: Plan = {
    seed,
    weights: Array.from({ length: voterCount }, () => (isEven ? 4 : pick([1, 2, 4, 4]))),
    learnerCount: pick([0, 0, 1, 1, 2]),
    faults: FAULTS.filter((fault) => !OF_PROFILES.has(fault) && random.below(3) > 0),
    ambushes: MOMENTS.filter(() => random.below(2) === 0),
    faultGapMs: pick([400, 900, 2_000]),
    faultLengthMs: pick([800, 2_500, 6_000]),
    stormMs: 6_000 + random.below(14_000),
    clientCount: 2 + random.below(5),
    clientGapMs: pick([40, 120, 250]),
    delayMs: [0.1, slowestMs],
    hostile:
      random.below(3) === 0
        ? { lossRate: pick([0.01, 0.1, 0.25]), delayMaxMs: pick([5, 80, 400]) }
        : null,
    syncMs: [0.1, pick([0.3, 4, 30])],
    databaseMs: pick([0.1, 1, 8]),
    checkpointMs: pick([300, 1_500, 5_000]),
    trailingCount: pick([0, 5, 50, 1_000]),
    tableCount: 1 + random.below(4),
    electionMs: pick([150, 300, 500]),
    appendBytesMax: pick([1, 600, 524_288]),
    inflightCountMax: pick([1, 4, 128]),
    retryMs: RETRIES_MS[seed % RETRIES_MS.length] as number,
    growth: null,
  };
  if (seed % GROWING_SEEDS.step === GROWING_SEEDS.first) return growthOf(plan, random);
  if (random.below(3) === 0) return duelOf(plan, random);
  if (voterCount < 3) return plan;
  if (seed % 4 === 0) return withCopies(plan);
  return seed % 4 === 2 ? withClocks(plan) : plan;
}

/** Each needs others to be there: in a network that is torn apart nobody could tell. */
const OF_PROFILES: ReadonlySet<Fault> = new Set(["put-back", "clock-leap"]);

/** A machine's clock goes wrong by far, while the others are linked and see it. */
function withClocks(plan: Plan): Plan {
  return { ...plan, faults: CLOCK_FAULTS, ambushes: [], faultGapMs: 900, databaseMs: 0.1 };
}

const CLOCK_FAULTS: readonly Fault[] = [
  "clock-leap",
  "clock-leap",
  "transfer",
  "slow-disk",
  "change-weight",
];

/** Machines go back to older copies of themselves. Peers tell before anything else, which takes links in order. */
function withCopies(plan: Plan): Plan {
  return { ...plan, faults: COPY_FAULTS, ambushes: [], hostile: null, databaseMs: 0.1 };
}

const COPY_FAULTS: readonly Fault[] = [
  "put-back",
  "put-back",
  "put-back",
  "kill",
  "power-cut",
  "drop-link",
  "transfer",
  "change-weight",
];

/** Few nodes and clients, and hardly a moment without an election: mistakes there need many of them. */
function duelOf(plan: Plan, random: Random): Plan {
  const nodeCount = 3 + random.below(2) * 2;
  const isStill = random.below(2) === 0;
  return {
    ...plan,
    weights: Array.from({ length: nodeCount }, () => 1),
    learnerCount: isStill ? 0 : 1,
    faults: isStill ? DUEL_FAULTS : [...DUEL_FAULTS, "change-members", "change-members"],
    ambushes: [...MOMENTS, "catch-up"],
    faultGapMs: 120 + random.below(300),
    faultLengthMs: 300 + random.below(900),
    stormMs: 15_000,
    clientCount: 3,
    clientGapMs: 120,
    delayMs: [0.1, 2],
    syncMs: [0.1, 4],
    databaseMs: 0.1,
    electionMs: 150,
    appendBytesMax: 1,
    inflightCountMax: random.below(2) === 0 ? 1 : 128,
  };
}

/** Its members change by what its operators want, and not by faults; damage is the other networks' matter. */
function growthOf(plan: Plan, random: Random): Plan {
  const isSmall = random.below(2) === 0;
  const guestCount = isSmall ? 6 : 3 + random.below(4);
  const hasGossip = random.below(4) > 0;
  return {
    ...plan,
    weights: [4],
    learnerCount: guestCount,
    faults: plan.faults.filter((fault) => !NOT_WHILE_GROWING.has(fault)),
    ambushes: plan.ambushes.filter((moment) => moment !== "old-commit"),
    faultGapMs: Math.max(900, plan.faultGapMs),
    clientCount: 2,
    clientGapMs: isSmall ? 60 : 250,
    growth: {
      guestCount,
      isSmall,
      earlyCount: isSmall ? 1 : 1 + random.below(3),
      actGapMs: isSmall ? 500 : 400 + random.below(1_500),
      hasGossip,
      gossipLossRate: random.below(2) === 0 ? 0 : random.float() / 2,
      hasSeed: !hasGossip || random.below(2) === 0,
    },
  };
}

const NOT_WHILE_GROWING: ReadonlySet<Fault> = new Set([
  "damage",
  "corrupt",
  "change-weight",
  "change-members",
]);

const DUEL_FAULTS: readonly Fault[] = [
  "kill",
  "power-cut",
  "isolate-leader",
  "isolate-leader",
  "partition",
  "pause",
  "damage",
];
