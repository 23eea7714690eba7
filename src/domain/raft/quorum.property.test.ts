import { expect, test } from "bun:test";
import fc from "fast-check";
import { asReplicaId, type ReplicaId } from "../../base/index.ts";
import { type Configuration, makeConfiguration, type Voter } from "./configuration.ts";
import { leaveJoint, nextConfiguration, stepTowards } from "./configuration-change.ts";
import { levelWeights } from "./level-weights.ts";
import { hasQuorum, quorumIndex, voteOutcome } from "./quorum.ts";

const NAMES = ["a", "b", "c", "d", "e", "f", "g"].map(asReplicaId);

const voters = (max = 5): fc.Arbitrary<readonly Voter[]> =>
  fc.uniqueArray(
    fc.record({ replica: fc.constantFrom(...NAMES), weight: fc.integer({ min: 1, max: 6 }) }),
    { selector: (voter) => voter.replica, minLength: 1, maxLength: max },
  );
const simple = voters().map((list) => makeConfiguration({ voters: list }));
const joint = fc
  .tuple(voters(), voters())
  .map(([incoming, outgoing]) => makeConfiguration({ voters: incoming, outgoing }));
const configuration = fc.oneof(simple, joint);
const reached = fc.array(fc.nat(9), { minLength: NAMES.length, maxLength: NAMES.length });

/** The naive model: every subset of all names. */
function subsets(): ReadonlySet<ReplicaId>[] {
  return Array.from(
    { length: 1 << NAMES.length },
    (_, mask) => new Set(NAMES.filter((_name, i) => (mask >> i) & 1)),
  );
}
const ALL_SUBSETS = subsets();

function naiveQuorum(config: Configuration, members: ReadonlySet<ReplicaId>): boolean {
  const halves = [config.voters, config.outgoing].filter((half) => half.length > 0);
  return halves.every((half) => {
    const sum = (list: readonly Voter[]) => list.reduce((total, voter) => total + voter.weight, 0);
    return sum(half.filter((voter) => members.has(voter.replica))) > sum(half) / 2;
  });
}

const quorumsOf = (config: Configuration) => ALL_SUBSETS.filter((set) => naiveQuorum(config, set));

test("hasQuorum() is more than half of all weight, in both halves of a joint configuration", () => {
  fc.assert(
    fc.property(configuration, fc.subarray(NAMES), (config, members) => {
      const set = new Set(members);
      expect(hasQuorum(config, (id) => set.has(id))).toBe(naiveQuorum(config, set));
    }),
  );
});

test("exactly half of the weight is no quorum, and nobody is one without voters", () => {
  const half = makeConfiguration({
    voters: [
      { replica: NAMES[0]!, weight: 2 },
      { replica: NAMES[1]!, weight: 1 },
      { replica: NAMES[2]!, weight: 1 },
    ],
  });
  expect(hasQuorum(half, (id) => id === NAMES[0])).toBe(false);
  expect(hasQuorum(half, (id) => id !== NAMES[1])).toBe(true);
  expect(hasQuorum(makeConfiguration({ voters: [] }), () => true)).toBe(false);
});

test("quorumIndex() is the highest number that some quorum has reached", () => {
  fc.assert(
    fc.property(configuration, reached, (config, numbers) => {
      const of = (id: ReplicaId) => numbers[NAMES.indexOf(id)] ?? 0;
      let naive = 0;
      for (let n = 0; n <= 9; n++) {
        if (naiveQuorum(config, new Set(NAMES.filter((id) => of(id) >= n)))) naive = n;
      }
      expect(quorumIndex(config, of)).toBe(naive);
    }),
  );
});

test("voteOutcome() is won by a quorum, and lost once none can come about", () => {
  const votes = fc.array(fc.constantFrom(true, false, undefined), { minLength: 7, maxLength: 7 });
  fc.assert(
    fc.property(configuration, votes, (config, cast) => {
      const map = new Map<ReplicaId, boolean>();
      cast.forEach((vote, i) => {
        if (vote !== undefined) map.set(NAMES[i]!, vote);
      });
      const yes = new Set(NAMES.filter((id) => map.get(id) === true));
      const notNo = new Set(NAMES.filter((id) => map.get(id) !== false));
      const wanted = naiveQuorum(config, yes)
        ? "won"
        : naiveQuorum(config, notNo)
          ? "pending"
          : "lost";
      expect(voteOutcome(config, map)).toBe(wanted);
    }),
  );
});

test("any quorum before a step of configuration shares a voter with any quorum after it", () => {
  fc.assert(
    fc.property(voters(4), voters(4), (from, to) => {
      const current = makeConfiguration({ voters: from });
      const target = makeConfiguration({ voters: to });
      const next = nextConfiguration(current, target);
      const chain = [current, next, ...(next === target ? [] : [leaveJoint(next)])];
      for (let i = 1; i < chain.length; i++) {
        const before = quorumsOf(chain[i - 1]!);
        for (const quorum of quorumsOf(chain[i]!)) {
          expect(before.every((other) => [...other].some((id) => quorum.has(id)))).toBe(true);
        }
      }
    }),
    { numRuns: 60 },
  );
});

test("stepTowards() reaches its target, newcomers first as learners, one weight at a time", () => {
  const learners = fc.subarray([NAMES[5]!, NAMES[6]!]);
  const full = fc.tuple(voters(), learners).map(([list, more]) =>
    makeConfiguration({
      voters: list,
      learners: more.filter((id) => list.every((voter) => voter.replica !== id)),
    }),
  );
  fc.assert(
    fc.property(full, full, (from, target) => {
      let current = from;
      for (let steps = 0; ; steps++) {
        const step = stepTowards(current, target);
        if (step === null) break;
        expect(steps).toBeLessThan(20);
        const kept = step.voters.filter((voter) =>
          current.voters.some(
            (old) => old.replica === voter.replica && old.weight !== voter.weight,
          ),
        );
        if (!isLevelled(target)) expect(kept.length).toBeLessThanOrEqual(1);
        const known = new Set([...current.voters.map((v) => v.replica), ...current.learners]);
        expect(step.voters.every((voter) => known.has(voter.replica))).toBe(true);
        current = step;
      }
      expect(current).toEqual(target);
    }),
  );
});

function isLevelled(config: Configuration): boolean {
  const raw = new Map(config.voters.map(({ replica, weight }) => [replica, weight]));
  return config.voters.every((v) => levelWeights(raw).get(v.replica) === v.weight);
}

test("stepTowards() a levelled target never makes a minority of voters needed on the way", () => {
  const levelled = voters().map((list) => {
    const weights = levelWeights(new Map(list.map(({ replica, weight }) => [replica, weight])));
    return makeConfiguration({
      voters: [...weights].map(([replica, weight]) => ({ replica, weight })),
    });
  });
  fc.assert(
    fc.property(levelled, levelled, (from, target) => {
      let current = from;
      for (let steps = 0; steps < 20; steps++) {
        const step = stepTowards(current, target);
        if (step === null) break;
        expect(isLevelled(step)).toBe(true);
        current = step;
      }
      expect(current).toEqual(target);
    }),
  );
});

test("levelWeights() leaves every minority of the heaviest less than half, and lowers no more than needed", () => {
  fc.assert(
    fc.property(voters(7), (list) => {
      const raw = new Map(list.map((voter) => [voter.replica, voter.weight]));
      const levelled = levelWeights(raw);
      const sorted = [...levelled.values()].sort((a, b) => b - a);
      const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
      const minority = Math.floor((sorted.length - 1) / 2);
      expect(sum(sorted.slice(0, minority)) * 2).toBeLessThan(sum(sorted));
      for (const [replica, weight] of levelled) {
        expect(weight).toBeGreaterThanOrEqual(1);
        expect(weight).toBeLessThanOrEqual(raw.get(replica)!);
      }
      // The survivors of the loss of any minority are a quorum.
      const config = makeConfiguration({
        voters: [...levelled].map(([replica, weight]) => ({ replica, weight })),
      });
      for (const lost of ALL_SUBSETS.filter((set) => set.size <= minority)) {
        expect(hasQuorum(config, (id) => !lost.has(id))).toBe(true);
      }
      const cap = Math.max(...levelled.values());
      if (cap < Math.max(...raw.values())) {
        const higher = [...raw.values()].map((w) => Math.min(w, cap + 1)).sort((a, b) => b - a);
        const isTooMuch =
          sum(higher.slice(0, minority)) * 2 >= sum(higher) || higher[0]! * 2 > sum(higher);
        expect(isTooMuch).toBe(true);
      }
    }),
  );
});

test("two voters are levelled to the same weight, so that neither is a quorum alone", () => {
  const levelled = levelWeights(
    new Map([
      [NAMES[0]!, 8],
      [NAMES[1]!, 2],
    ]),
  );
  expect([...levelled.values()]).toEqual([2, 2]);
});
