/** A follower stores no time that its leader pins far ahead of most members' clocks, and all that is settled. */

import { expect, test } from "bun:test";
import { asLogIndex, asNodeId, asTerm, present, replicaOfNode } from "../../src/base/index.ts";
import type { Append } from "../../src/domain/raft/index.ts";
import { encodeBatch } from "../../src/domain/replication/index.ts";
import type { LogEntry } from "../../src/ports/index.ts";
import { unobjected } from "../../src/runtime/consensus/objections.ts";
import { idleLog, loneShard } from "./lone-shard.ts";

const LEADER = asNodeId("b");
const HOUR_MS = 3_600_000;
const TERM = asTerm(4);

function entry(index: number, timeMs: number, term = TERM): LogEntry {
  const context = { timeMs, seed: new Uint8Array(16) };
  const digest = new Uint8Array(32);
  const batch = { context, digest, check: null, bundles: [], skipped: [] };
  return { index: asLogIndex(index), term, kind: "command", payload: encodeBatch(batch) };
}

/** How many of the entries a follower stores, and whether it leaves the leader. */
function follower() {
  let nowMs = 0;
  const { shard } = loneShard(
    (clock) => {
      nowMs = clock.wallMs();
      return idleLog(LEADER);
    },
    { aheadMs: (peer, timeMs) => (peer === LEADER ? timeMs - nowMs : 0) },
  );
  const objection = present(shard.stateMachine.objection, "the shard's objections");
  const take = (commit: number, ...entries: readonly LogEntry[]) => {
    const prevIndex = asLogIndex((entries[0]?.index ?? 1) - 1);
    const append: Append = {
      kind: "append",
      from: replicaOfNode(LEADER, 0),
      to: replicaOfNode(asNodeId("a"), 0),
      term: TERM,
      prevIndex,
      prevTerm: TERM,
      commit: asLogIndex(commit),
      entries,
    };
    const reasons: string[] = [];
    const stored = unobjected(append, objection, (why) => void reasons.push(why));
    return { stored: stored.entries.length, reasons };
  };
  return { nowMs, take };
}

test("a time within what is tolerated is stored", () => {
  const { nowMs, take } = follower();
  expect(take(1, entry(2, nowMs), entry(3, nowMs + 200_000))).toEqual({ stored: 2, reasons: [] });
});

test("a time far ahead is not, nor what follows it, and the reason is told", () => {
  const { nowMs, take } = follower();
  const told = take(1, entry(2, nowMs), entry(3, nowMs + HOUR_MS), entry(4, nowMs + HOUR_MS));
  expect(told).toEqual({ stored: 1, reasons: ["its clock is 1 h ahead of most members'"] });
});

test("what is committed or of an earlier leader is stored, and the next leader may go on from there", () => {
  const { nowMs, take } = follower();
  const settled = take(2, entry(2, nowMs + HOUR_MS), entry(3, nowMs + HOUR_MS, asTerm(3)));
  expect(settled).toEqual({ stored: 2, reasons: [] });
  expect(take(3, entry(4, nowMs + HOUR_MS))).toEqual({ stored: 1, reasons: [] });
  expect(take(3, entry(5, nowMs + HOUR_MS + 1_000)).stored).toBe(0);
});

test("a time that is behind is stored: it may have taken long to arrive", () => {
  const { nowMs, take } = follower();
  expect(take(1, entry(2, nowMs - HOUR_MS)).stored).toBe(1);
});
