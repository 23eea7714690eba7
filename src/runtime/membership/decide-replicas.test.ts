import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { asNodeId, asReplicaId, type ReplicaId } from "../../base/index.ts";
import {
  type Configuration,
  EMPTY_CONFIGURATION,
  equalConfigurations,
  makeConfiguration,
} from "../../domain/raft/index.ts";
import {
  decideReplicas,
  nextReplicaChange,
  type PlacementInput,
  takesPart,
  VOTER_GONE_MS,
  voterCount,
} from "./decide-replicas.ts";
import type { Member } from "./member.ts";

function member(id: string, changes: Partial<Member> = {}): Member {
  return {
    id: asNodeId(id),
    class: "sclerotium",
    role: "validator",
    tier: 1,
    state: "active",
    replicaLife: 0,
    joinedAtMs: 0,
    addresses: [],
    apiAddresses: [],
    multiaddrs: [],
    validatorWeight: 1,
    version: "",
    ...changes,
  };
}

const voters = (weights: Record<string, number>, learners: string[] = []): Configuration =>
  makeConfiguration({
    voters: Object.entries(weights).map(([id, weight]) => ({ replica: asReplicaId(id), weight })),
    learners: learners.map(asReplicaId),
  });

const input = (
  members: readonly Member[],
  current: Configuration,
  changes: Partial<PlacementInput> = {},
): PlacementInput => ({
  members,
  current,
  forMiners: true,
  unseenMs: () => 0,
  isCaughtUp: () => true,
  ...changes,
});

/** Steps until nothing changes, as the leader would; a joint step is left at once. */
function settle(start: PlacementInput): Configuration {
  let { current } = start;
  for (let i = 0; i < 50; i++) {
    const next = nextReplicaChange({ ...start, current });
    if (next === null) return current;
    current = next;
  }
  throw new Error("does not settle");
}

const ids = (configuration: Configuration): string[] =>
  configuration.voters.map((voter) => voter.replica as string);

describe("decideReplicas()", () => {
  test("a newcomer is a learner first, and votes once it has caught up", () => {
    const members = [member("a", { tier: 0 }), member("b")];
    const first = nextReplicaChange(input(members, voters({ a: 4 })));
    expect(first).toEqual(voters({ a: 4 }, ["b"]));
    const behind = input(members, voters({ a: 4 }, ["b"]), { isCaughtUp: () => false });
    expect(nextReplicaChange(behind)).toBeNull();
    expect(ids(settle(input(members, voters({ a: 4 }, ["b"]))))).toEqual(["a", "b"]);
  });

  test("voters are 1, 2, 3, 3, 5, 5 and at most five of many", () => {
    expect([0, 1, 2, 3, 4, 5, 6, 7, 8].map((n) => voterCount(n, 5))).toEqual([
      0, 1, 2, 3, 3, 5, 5, 5, 5,
    ]);
    expect([6, 7, 8].map((n) => voterCount(n, 7))).toEqual([5, 7, 7]);
    const members = "abcdefgh".split("").map((id) => member(id));
    const settled = settle(input(members, voters({ a: 2 })));
    expect(settled.voters.length).toBe(5);
    expect(settled.learners.length).toBe(3);
  });

  test("of two voters neither outweighs the other, of three no one holds half", () => {
    const two = settle(input([member("a", { tier: 0 }), member("b")], voters({ a: 4 })));
    expect(two.voters.map((voter) => voter.weight)).toEqual([2, 2]);
    const three = [member("a", { tier: 0, validatorWeight: 9 }), member("b"), member("c")];
    const total = settle(input(three, voters({ a: 36 }))).voters;
    const sum = total.reduce((all, voter) => all + voter.weight, 0);
    for (const voter of total) expect(voter.weight * 2).toBeLessThan(sum);
  });

  test("miners learn main and nothing of system; clients and tier 2 do not vote", () => {
    const members = [
      member("a"),
      member("m", { role: "miner" }),
      member("r", { class: "rhizomorph", role: "miner" }),
      member("h", { class: "hypha", role: null }),
      member("p", { tier: 2 }),
    ];
    expect(settle(input(members, voters({ a: 2 })))).toEqual(voters({ a: 2 }, ["m", "p", "r"]));
    const system = settle(input(members, voters({ a: 2 }), { forMiners: false }));
    expect(system).toEqual(voters({ a: 2 }, ["p"]));
  });

  test("a voter gone for 10 minutes gives way to a learner, not before, and not to nobody", () => {
    const members = ["a", "b", "c", "d"].map((id) => member(id));
    const current = voters({ a: 2, b: 2, c: 2 }, ["d"]);
    const gone = (ms: number) => (node: string) => (node === "b" ? ms : 0);
    expect(
      nextReplicaChange(input(members, current, { unseenMs: gone(VOTER_GONE_MS - 1) })),
    ).toBeNull();
    const settled = settle(input(members, current, { unseenMs: gone(VOTER_GONE_MS) }));
    expect(settled).toEqual(voters({ a: 2, c: 2, d: 2 }, ["b"]));
    const three = members.slice(0, 3);
    const alone = input(three, voters({ a: 2, b: 2, c: 2 }), { unseenMs: gone(VOTER_GONE_MS) });
    expect(nextReplicaChange(alone)).toBeNull();
  });

  test("it does not come back by itself to vote while the others suffice", () => {
    const members = ["a", "b", "c", "d"].map((id) => member(id));
    expect(nextReplicaChange(input(members, voters({ a: 2, c: 2, d: 2 }, ["b"])))).toBeNull();
  });

  test("a leaving or removed member goes out of the group", () => {
    const members = [member("a"), member("b", { state: "leaving" }), member("c")];
    const settled = settle(input(members, voters({ a: 2, b: 2, c: 2 })));
    expect(settled).toEqual(voters({ a: 2, c: 2 }));
    expect(takesPart(settled, asNodeId("b"))).toBe(false);
    expect(ids(settle(input([member("a")], voters({ a: 2, b: 2 }))))).toEqual(["a"]);
  });

  test("a node's next life comes as a new learner, its last one goes", () => {
    const members = [member("a"), member("b", { replicaLife: 1 }), member("c")];
    const behind = { isCaughtUp: () => false };
    const first = settle(input(members, voters({ a: 2, b: 2, c: 2 }), behind));
    expect(first).toEqual(voters({ a: 2, c: 2 }, ["b#1"]));
    expect(ids(settle(input(members, first)))).toEqual(["a", "b#1", "c"]);
    expect(takesPart(first, asNodeId("b"))).toBe(true);
  });

  test("nobody able to vote changes nothing", () => {
    const current = voters({ a: 2 });
    expect(decideReplicas(input([], current))).toEqual(current);
    expect(decideReplicas(input([member("z")], EMPTY_CONFIGURATION))).toBe(EMPTY_CONFIGURATION);
  });

  test("the only voter leaves: the others learn first, and then vote in its place", () => {
    const members = [member("a", { state: "leaving" }), member("b"), member("c")];
    expect(decideReplicas(input(members, voters({ a: 2 })))).toEqual(voters({ a: 2 }, ["b", "c"]));
    expect(
      settle(input(members, voters({ a: 2 }))).voters.map(({ replica }) => String(replica)),
    ).toEqual(["b", "c"]);
  });

  test("from any start and any members it settles, and stays there", () => {
    const someMember = fc.record({
      id: fc.constantFrom(..."abcdefghij"),
      tier: fc.constantFrom(0, 1, 2) as fc.Arbitrary<0 | 1 | 2>,
      role: fc.constantFrom("validator", "miner") as fc.Arbitrary<"validator" | "miner">,
      validatorWeight: fc.integer({ min: 1, max: 100 }),
      state: fc.constantFrom("active", "active", "leaving") as fc.Arbitrary<"active" | "leaving">,
      replicaLife: fc.integer({ min: 0, max: 1 }),
    });
    const members = fc.uniqueArray(someMember, { selector: (one) => one.id });
    const gone = fc.subarray([..."abcdefghij"]);
    fc.assert(
      fc.property(members, gone, fc.integer({ min: 1, max: 9 }), (some, away, weight) => {
        const all = some.map(({ id, ...rest }) => member(id, rest));
        const unseenMs = (node: string) => (away.includes(node) ? VOTER_GONE_MS : 0);
        const base = input(all, voters({ a: weight, b: weight }), { unseenMs });
        const settled = settle(base);
        expect(decideReplicas({ ...base, current: settled })).toSatisfy((next: Configuration) =>
          equalConfigurations(next, settled),
        );
        expect(settled.voters.length).toBeGreaterThan(0);
        const weights = settled.voters.map((voter) => voter.weight);
        const sum = weights.reduce((a, b) => a + b, 0);
        const replicas: ReplicaId[] = settled.voters.map((voter) => voter.replica);
        expect(new Set(replicas).size).toBe(replicas.length);
        if (weights.length > 1) expect(Math.max(...weights) * 2).toBeLessThanOrEqual(sum);
      }),
    );
  });
});
