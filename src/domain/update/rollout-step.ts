/**
 * The leader's step of a rollout: a pure function of the plan, what nodes report and what the leader sees. It is
 * called again and again by whoever leads; its result replaces the plan only if nobody wrote it meanwhile.
 *
 * - Nothing switches but what was granted, and a grant is used only by a claim on the very plan that gives it.
 * - One wave at a time, the canary alone first; the next begins when all of the last are through.
 * - Whoever reverts, or does not come back, ends the plan: nobody else switches. So does a canary that runs another
 *   SQLite and holds other data, and it goes back; until it is known to hold the same, no wave follows it.
 * - Whoever is away or unable is left out, so that every plan ends.
 */

import { formatDurationMs, type NodeId } from "../../base/index.ts";
import {
  asReason,
  type NodeReport,
  type PlanNode,
  type PlanState,
  type RolloutPlan,
} from "./rollout-plan.ts";
import {
  canaryPassed,
  comparedCanary,
  grantsAreSafe,
  isInFlight,
  isSettled,
  mustGoBack,
  nextWave,
  type WaveWorld,
} from "./rollout-waves.ts";

/** What the network decided about the plan. */
export type Verdict =
  | { readonly result: "open" }
  | { readonly result: "decided"; readonly certificate: Uint8Array }
  | { readonly result: "rejected"; readonly reason: string };

/** Whether a node's data is the majority's, in all shards that it holds. */
export type Comparison =
  | { readonly result: "open" }
  | { readonly result: "agrees" }
  | { readonly result: "differs"; readonly why: string };

export interface RolloutWorld extends WaveWorld {
  /** Members that run a core: all but clients. */
  readonly members: readonly NodeId[];
  /** Each node's latest, whatever plan it is about. */
  readonly reports: ReadonlyMap<NodeId, NodeReport>;
  /** Since a node was last seen by the leader; 0 while it is. */
  readonly unseenMs: (node: NodeId) => number;
  /** Since this leader first saw the node as it stands in the plan. */
  readonly stillMs: (node: NodeId) => number;
  /** What was found out about the data of `comparedCanary`. */
  readonly comparison: Comparison;
  readonly verdict: Verdict;
}

/** Not seen for so long: left out, and let in again when it comes back. */
export const OFFLINE_MS = 60_000;
/** No news from a node that fetches. */
export const STAGING_LIMIT_MS = 900_000;
/** A node that may switch and does not. */
export const GRANT_LIMIT_MS = 120_000;
/** From going down to being confirmed: the launcher's own limit of 300 s, and some time to come back. */
export const SWITCH_LIMIT_MS = 420_000;

/** The same object when nothing changes. */
export function stepRollout(plan: RolloutPlan, world: RolloutWorld): RolloutPlan {
  switch (plan.state) {
    case "proposed":
      return stepProposed(plan, world);
    case "rejected":
      return plan;
    case "aborted":
    case "reverted":
      return observe(plan, world);
    case "paused":
      return stopOnDifference(stopOnFailure(observe(plan, world)), world);
    case "done":
      return finalise(grant(observe(plan, world), world));
    default: {
      const observed = stopOnDifference(stopOnFailure(observe(plan, world)), world);
      return isOf(observed, "approved", "rolling") ? end(grant(observed, world)) : observed;
    }
  }
}

/** Takes grants back that are not used yet. */
export function withoutGrants(nodes: readonly PlanNode[]): readonly PlanNode[] {
  return nodes.map((one) =>
    isUnused(one) ? { ...one, granted: false, wave: isSettled(one) ? one.wave : null } : one,
  );
}

function isUnused({ granted, phase }: PlanNode): boolean {
  return granted && phase !== "draining" && phase !== "switched";
}

function isOf(plan: RolloutPlan, ...states: readonly PlanState[]): boolean {
  return states.includes(plan.state);
}

function stepProposed(plan: RolloutPlan, { verdict }: RolloutWorld): RolloutPlan {
  if (verdict.result === "decided") {
    return { ...plan, state: "approved", reason: "", certificate: verdict.certificate };
  }
  if (verdict.result === "open") return plan;
  return { ...plan, state: "rejected", reason: asReason(verdict.reason) };
}

/** Members come and go; phases follow reports, and silence. */
function observe(plan: RolloutPlan, world: RolloutWorld): RolloutPlan {
  const wanted = world.members.filter((node) => plan.only === null || plan.only.includes(node));
  const known = new Map(plan.nodes.map((one) => [one.node, one]));
  const nodes = wanted.map((node) => observeNode(known.get(node) ?? fresh(node), plan, world));
  const isSame =
    nodes.length === plan.nodes.length && nodes.every((one, i) => one === plan.nodes[i]);
  return isSame ? plan : { ...plan, nodes };
}

function fresh(node: NodeId): PlanNode {
  const none = { wave: null, granted: false, version: "", progress: 0, windowOpen: false };
  return { node, phase: "waiting", ...none, reason: "" };
}

function observeNode(before: PlanNode, plan: RolloutPlan, world: RolloutWorld): PlanNode {
  const report = world.reports.get(before.node);
  const told = report?.plan === plan.id ? heard(before, report, plan, world) : before;
  const version = report?.version ?? before.version;
  const after = { ...told, version, ...overdue(told, plan, world) };
  return equalNodes(before, after) ? before : after;
}

/** What a report changes. Whoever was given up comes back when it is seen again, or made it by itself. */
function heard(
  before: PlanNode,
  report: NodeReport,
  plan: RolloutPlan,
  world: RolloutWorld,
): PlanNode {
  const { phase, progress, reason, windowOpen } = report;
  if (mustGoBack(plan, before) && phase !== "reverted") return before;
  const isThrough = phase === "healthy" || phase === "reverted";
  const isAway = world.unseenMs(before.node) > 0;
  if (before.phase === "offline" && isAway && !isThrough) return before;
  if ((before.phase === "unable" || before.phase === "failed") && !isThrough) return before;
  const ended = isThrough || phase === "unable";
  // A grant that its window does not let it use would hold up the others.
  const granted = before.granted && !ended && (windowOpen || phase !== "staged");
  const wave = before.granted && !granted && !ended ? null : before.wave;
  return { ...before, phase, progress, reason, windowOpen, granted, wave };
}

function overdue(one: PlanNode, plan: RolloutPlan, world: RolloutWorld): Partial<PlanNode> {
  if (isSettled(one)) return {};
  const unseenMs = world.unseenMs(one.node);
  const stillMs = world.stillMs(one.node);
  if (one.phase === "draining" || one.phase === "switched") {
    if (stillMs < SWITCH_LIMIT_MS) return {};
    const reason = `went down for the switch and was not confirmed within ${formatDurationMs(SWITCH_LIMIT_MS)}`;
    return { phase: "failed", granted: false, reason };
  }
  if (unseenMs >= OFFLINE_MS) {
    return { phase: "offline", granted: false, reason: "it is not reachable" };
  }
  if (one.granted && stillMs >= GRANT_LIMIT_MS) {
    const reason = one.reason || "it was told to switch and did not begin";
    return { phase: "unable", granted: false, reason };
  }
  const waitsForUs = one.phase === "staged" || isOf(plan, "paused", "aborted", "reverted");
  if (waitsForUs || stillMs < STAGING_LIMIT_MS) return {};
  const reason = one.reason || `no progress for ${formatDurationMs(STAGING_LIMIT_MS)}`;
  return { phase: "unable", granted: false, reason };
}

function isBad({ phase }: PlanNode): boolean {
  return phase === "reverted" || phase === "failed";
}

const NO_SPARE = "waits for nodes that are away: without them nobody else can be spared";

function hasFailed(plan: RolloutPlan): boolean {
  return plan.nodes.some(isBad);
}

function stopOnFailure(plan: RolloutPlan): RolloutPlan {
  const bad = plan.nodes.find(isBad);
  if (bad === undefined) return plan;
  const reason = asReason(`node ${bad.node} ${bad.phase}: ${bad.reason || "no reason given"}`);
  return { ...plan, state: "reverted", reason, nodes: withoutGrants(plan.nodes) };
}

/** Another SQLite that writes other data goes no further and is taken back, however well it runs. */
function stopOnDifference(plan: RolloutPlan, { comparison }: RolloutWorld): RolloutPlan {
  const canary = comparedCanary(plan);
  if (canary === null || comparison.result !== "differs") return plan;
  const what = `runs another SQLite, and ${comparison.why}`;
  const nodes = withoutGrants(plan.nodes).map((one) =>
    one.node === canary
      ? { ...one, phase: "failed" as const, granted: false, reason: asReason(`it ${what}`) }
      : one,
  );
  return { ...plan, state: "reverted", reason: asReason(`node ${canary} ${what}`), nodes };
}

function grant(plan: RolloutPlan, world: RolloutWorld): RolloutPlan {
  if (hasFailed(plan)) return plan;
  if (!grantsAreSafe(plan, world) && plan.nodes.some(isUnused)) {
    return { ...plan, reason: NO_SPARE, nodes: withoutGrants(plan.nodes) };
  }
  const waitsFor = hindrance(plan, world);
  const wave = waitsFor === null ? nextWave(plan, world) : [];
  if (wave.length === 0) {
    const reason = waitsFor ?? (isStuck(plan, world) ? NO_SPARE : "");
    return plan.reason === reason ? plan : { ...plan, reason };
  }
  const isFirst = !canaryPassed(plan);
  const number = isFirst ? 0 : Math.max(1, plan.waves);
  const nodes = plan.nodes.map((one) =>
    wave.includes(one.node) ? { ...one, granted: true, wave: number } : one,
  );
  const state = plan.state === "done" ? plan.state : "rolling";
  return { ...plan, state, reason: "", nodes, waves: number + 1 };
}

/** Somebody could switch, if only enough others were there. */
function isStuck(plan: RolloutPlan, { away }: RolloutWorld): boolean {
  if (plan.nodes.some(isInFlight)) return false;
  const isReady = ({ node, phase, windowOpen }: PlanNode) =>
    phase === "staged" && windowOpen && !away.has(node);
  const waiting = plan.nodes.filter((one) => !isSettled(one) && !away.has(one.node));
  return waiting.length > 0 && waiting.every(isReady);
}

/** Why nothing is granted just now, other than that somebody is under way or nobody is ready. */
function hindrance(plan: RolloutPlan, world: RolloutWorld): string | null {
  const waiting = plan.nodes.filter((one) => !isSettled(one));
  if (waiting.length === 0 || waiting.some(isInFlight)) return null;
  if (waiting.every(({ phase, windowOpen }) => phase === "staged" && !windowOpen)) {
    return "waits for the nodes' maintenance windows";
  }
  if (comparedCanary(plan) !== null && canaryPassed(plan) && world.comparison.result === "open") {
    return "waits until the canary's data, written by another SQLite, is compared with the others'";
  }
  return null;
}

function end(plan: RolloutPlan): RolloutPlan {
  if (plan.nodes.length === 0 || plan.nodes.some((one) => !isSettled(one))) return plan;
  if (plan.nodes.some(({ phase }) => phase === "healthy")) {
    return finalise({ ...plan, state: "done", reason: "" });
  }
  return { ...plan, state: "aborted", reason: "no node could take it" };
}

function finalise(plan: RolloutPlan): RolloutPlan {
  const isEverywhere = plan.kind === "update" && plan.only === null && plan.nodes.length > 0;
  const all = plan.nodes.every(({ phase }) => phase === "healthy");
  return isEverywhere && all && !plan.finalised ? { ...plan, finalised: true } : plan;
}

const NODE_FIELDS = [
  "phase",
  "wave",
  "granted",
  "version",
  "progress",
  "windowOpen",
  "reason",
] as const satisfies readonly (keyof PlanNode)[];

function equalNodes(a: PlanNode, b: PlanNode): boolean {
  return NODE_FIELDS.every((field) => a[field] === b[field]);
}
