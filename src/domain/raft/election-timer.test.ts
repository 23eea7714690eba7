/** How long a replica waits before it stands. */

import { expect, test } from "bun:test";
import { asLogIndex, asReplicaId, asTerm, type Random, SeededRandom } from "../../base/index.ts";
import { makeConfiguration, type Voter } from "./configuration.ts";
import { bootstrapSnapshot } from "./first-snapshot.ts";
import { DEFAULT_RAFT_OPTIONS, type RaftOptions } from "./options.ts";
import { RaftNode } from "./raft-node.ts";

const [A, B] = [asReplicaId("a"), asReplicaId("b")];

/** Replica "a" among these voters; every draw is `draw` or the highest there is. */
function subject(voters: readonly Voter[], draw: number, options: Partial<RaftOptions> = {}) {
  const random: Random = {
    u32: () => 0,
    float: () => 0,
    below: (limit) => Math.min(draw, limit - 1),
    fork: () => new SeededRandom(1),
  };
  return new RaftNode({
    id: A,
    options: { ...DEFAULT_RAFT_OPTIONS, ...options },
    random,
    reader: { termOf: () => null, entries: () => [] },
    hardState: { term: asTerm(1), votedFor: null },
    snapshot: bootstrapSnapshot(makeConfiguration({ voters })),
    lastIndex: asLogIndex(1),
    appliedIndex: asLogIndex(1),
    damagedUpTo: null,
  });
}

test("the heavy and able stand before the others", () => {
  const ticksUntilItStands = (weight: number, performance: number): number => {
    const voters = [
      { replica: A, weight },
      { replica: B, weight: 8 },
    ];
    const node = subject(voters, 0);
    node.setPerformance(performance);
    const stand = (): number => {
      let ticks = 0;
      const before = node.role;
      do {
        node.tick();
        ticks++;
      } while (node.takeReady().messages.length === 0 && ticks < 1_000);
      expect([before, node.role]).toContain("preCandidate");
      return ticks;
    };
    // The first wait was drawn before the performance was set.
    stand();
    return stand();
  };
  expect(ticksUntilItStands(8, 1)).toBe(DEFAULT_RAFT_OPTIONS.electionTicks);
  expect(ticksUntilItStands(2, 1)).toBeGreaterThan(ticksUntilItStands(8, 1));
  expect(ticksUntilItStands(8, 0.2)).toBeGreaterThan(ticksUntilItStands(8, 1));
});

test("two replicas with the shortest timeout do not stand in step for ever", () => {
  const voters = [A, B].map((replica) => ({ replica, weight: 1 }));
  const waits = [0, 1, 2].map((draw) => {
    const node = subject(voters, draw, { electionTicks: 1, heartbeatTicks: 1 });
    let ticks = 0;
    for (; node.role === "follower" && ticks < 100; ticks++) node.tick();
    return ticks;
  });
  expect(new Set(waits).size).toBe(3);
});
