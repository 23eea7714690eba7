/** One node's side of a rollout: what it reports, and what the plan asks of it. Pure. */

import type { NodeId } from "../../base/index.ts";
import type { NodeUpdateView } from "./node-update-view.ts";
import type { Architecture } from "./release.ts";
import { asReason, type NodeReport, planNode, type RolloutPlan } from "./rollout-plan.ts";
import { mustGoBack } from "./rollout-waves.ts";

export interface NodeFacts {
  readonly node: NodeId;
  readonly arch: Architecture;
  readonly sqlite: string;
  readonly view: NodeUpdateView;
  /** The plan under which it last went down for a switch. */
  readonly attempted: string | null;
  /** Whether its maintenance window lets it switch now. */
  readonly windowOpen: boolean;
}

export type Duty = "nothing" | "stage" | "switch" | "takeBack" | "finalise";

/** Hash of the core that the plan wants on this node; null when it has none for it. */
export function wantedCore(plan: RolloutPlan, arch: Architecture): string | null {
  return plan.cores.find((core) => core.arch === arch)?.coreSha256 ?? null;
}

/** Why a node cannot take the release just now, by its own check of it; `isFinal` when it does not try again. */
export interface NodeProblem {
  readonly reason: string;
  readonly isFinal: boolean;
}

export function reportOf(
  plan: RolloutPlan | null,
  facts: NodeFacts,
  problem: NodeProblem | null,
): NodeReport {
  const { node, arch, sqlite, view, windowOpen } = facts;
  return {
    node,
    plan: plan?.id ?? "",
    ...standing(plan, facts, problem),
    arch,
    version: view.running.version,
    coreSha256: view.running.coreSha256,
    standbyVersion: view.standby?.version ?? null,
    standbyCoreSha256: view.standby?.coreSha256 ?? null,
    sqlite,
    windowOpen,
  };
}

type Standing = Pick<NodeReport, "phase" | "progress" | "reason">;

function standing(
  plan: RolloutPlan | null,
  facts: NodeFacts,
  problem: NodeProblem | null,
): Standing {
  const { view } = facts;
  if (plan === null) return { phase: "waiting", progress: 0, reason: "" };
  const wanted = wantedCore(plan, facts.arch);
  const isRefused = wanted !== null && view.refused?.coreSha256 === wanted;
  // What is taken back still runs for a moment, and is on trial no more: it is not healthy for that.
  if (wanted !== null && view.running.coreSha256 === wanted && !isRefused) {
    return { phase: view.phase === "trial" ? "switched" : "healthy", progress: 100, reason: "" };
  }
  if (view.phase === "none") return unable("it was started without the launcher: it has no slots");
  if (wanted === null) return unable(`the release has no core for ${facts.arch}`);
  // What was taken back under an earlier plan says nothing of this one.
  if (isRefused && facts.attempted === plan.id) {
    return { phase: "reverted", progress: 100, reason: asReason(view.refused?.reason ?? "") };
  }
  if (problem?.isFinal === true) return unable(problem.reason);
  const reason = asReason(problem?.reason ?? view.problem ?? "");
  if (view.phase === "draining") return { phase: "draining", progress: 100, reason };
  if (view.standby?.coreSha256 === wanted) return { phase: "staged", progress: 100, reason };
  const phase = view.phase === "staging" ? "staging" : "waiting";
  return { phase, progress: progressOf(view, wanted), reason };
}

function unable(reason: string): Standing {
  return { phase: "unable", progress: 0, reason: asReason(reason) };
}

function progressOf({ staging }: NodeUpdateView, wanted: string): number {
  if (staging?.coreSha256 !== wanted || staging.totalBytes <= 0) return 0;
  return Math.min(100, Math.floor((100 * staging.doneBytes) / staging.totalBytes));
}

/** What to do now. A switch has to be claimed first, on the very plan that was looked at. */
export function dutyOf(plan: RolloutPlan, facts: NodeFacts): Duty {
  const report = reportOf(plan, facts, null);
  const isBelow = facts.view.floor < plan.stateFormat;
  if (plan.finalised && isBelow && report.phase === "healthy") return "finalise";
  const own = planNode(plan, facts.node);
  if (own !== undefined && mustGoBack(plan, own)) {
    const runsIt = report.phase === "switched" || report.phase === "healthy";
    return runsIt && facts.attempted === plan.id ? "takeBack" : "nothing";
  }
  if (!["approved", "rolling", "done"].includes(plan.state)) return "nothing";
  if (own === undefined || own.phase === "unable") return "nothing";
  if (report.phase === "waiting") return "stage";
  return report.phase === "staged" && mayClaim(plan, facts.node) && facts.windowOpen
    ? "switch"
    : "nothing";
}

/** Whether a node may tell the network, on this very plan, that it goes down for the switch. */
export function mayClaim(plan: RolloutPlan, node: NodeId): boolean {
  return ["rolling", "done"].includes(plan.state) && planNode(plan, node)?.granted === true;
}
