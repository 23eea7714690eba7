import { expect, test } from "bun:test";
import { asNodeId } from "../../base/index.ts";
import type { NodeUpdateView } from "./node-update-view.ts";
import { dutyOf, type NodeFacts, reportOf } from "./rollout-duty.ts";
import type { PlanNode, RolloutPlan } from "./rollout-plan.ts";
import { rollbackPlan } from "./rollout-proposal.ts";

const NODE = asNodeId("canary");
const OLD = { version: "0.1.0", coreSha256: "a".repeat(64) };
const NEW = { version: "0.2.0", coreSha256: "b".repeat(64) };
const CANARY: PlanNode = {
  node: NODE,
  phase: "failed",
  wave: 0,
  granted: false,
  version: "0.2.0",
  progress: 100,
  windowOpen: true,
  reason: "its data differs",
};

function plan(change: Partial<RolloutPlan> = {}): RolloutPlan {
  const cores = [{ arch: "x64" as const, coreSha256: NEW.coreSha256 }];
  const subject = { version: "0.2.0", channel: "stable" as const, cores, only: [] };
  const made = rollbackPlan(subject, { operation: 1, nowMs: 0 });
  return { ...made, state: "reverted", changesSqlite: true, nodes: [CANARY], ...change };
}

function facts(change: Partial<NodeUpdateView> = {}, attempted = plan().id): NodeFacts {
  const still = { refused: null, floor: 0, staging: null, problem: null };
  const view = { phase: "idle" as const, running: NEW, standby: OLD, ...still, ...change };
  return { node: NODE, arch: "x64", sqlite: "4", view, attempted, windowOpen: false };
}

test("a canary that failed with another SQLite takes it back, on trial or confirmed, whatever its window", () => {
  expect(dutyOf(plan(), facts())).toBe("takeBack");
  expect(dutyOf(plan(), facts({ phase: "trial" }))).toBe("takeBack");
});

test("nothing is taken back that does not run, nor what was installed after this plan", () => {
  expect(dutyOf(plan(), facts({ running: OLD, standby: NEW }))).toBe("nothing");
  expect(dutyOf(plan(), facts({}, "0.1.9-1"))).toBe("nothing");
});

test("a canary that is healthy, of a plan that goes on, or with the same SQLite is left alone", () => {
  expect(dutyOf(plan({ nodes: [{ ...CANARY, phase: "healthy" }] }), facts())).toBe("nothing");
  expect(dutyOf(plan({ nodes: [{ ...CANARY, wave: 1 }] }), facts())).toBe("nothing");
  expect(dutyOf(plan({ state: "rolling" }), facts())).toBe("nothing");
  expect(dutyOf(plan({ changesSqlite: false }), facts())).toBe("nothing");
});

test("a core that is taken back is not healthy while its process still runs: no wave may follow it", () => {
  const refused = { coreSha256: NEW.coreSha256, reason: "unhealthy for 6 s" };
  const rolling = plan({ state: "rolling" });
  const report = reportOf(rolling, facts({ refused, standby: NEW }), null);
  expect(report).toMatchObject({ phase: "reverted", reason: "unhealthy for 6 s" });
  const later = reportOf(rolling, facts({ refused, standby: NEW }, "0.1.9-1"), null);
  expect(later.phase).toBe("staged");
  expect(reportOf(rolling, facts(), null).phase).toBe("healthy");
});
