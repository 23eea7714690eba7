/** The network's updates as status, problems and metrics show them. */

import type { Problem, UpdateStatus } from "../domain/api/index.ts";
import type { Decision } from "../domain/trust/index.ts";
import {
  hasEnded,
  holdBack,
  type NodeUpdateView,
  plannedWaves,
  type RolloutPlan,
} from "../domain/update/index.ts";
import type { Metrics } from "../ports/index.ts";
import type { NodePart, ReleaseWatch } from "../runtime/update/index.ts";
import type { Core } from "./core.ts";
import type { Rollouts } from "./rollouts.ts";
import { surroundings } from "./surroundings.ts";

const LINE_MAX = 1_000;
const PHASES = [
  ..."waiting staging staged draining switched healthy reverted failed offline unable".split(" "),
];

type PlanView = NonNullable<UpdateStatus["plan"]>;
type DecisionView = NonNullable<PlanView["decision"]>;

export interface UpdateParts {
  readonly core: Core;
  readonly part: NodePart;
  readonly rollouts: Rollouts;
  /** Whether releases can be checked here. */
  readonly configured: boolean;
}

export function updateStatus({ core, part, rollouts, configured }: UpdateParts): UpdateStatus {
  const { config } = core;
  const { watch } = rollouts;
  const view = part.view();
  const plan = rollouts.plan();
  return {
    configured,
    channel: config.updateChannel,
    approval: config.updateApproval,
    node: {
      phase: view.phase,
      version: view.running.version,
      coreSha256: view.running.coreSha256,
      standby: view.standby?.version ?? null,
      refused: view.refused === null ? null : line(view.refused.reason),
      problem: view.problem === null ? null : line(view.problem),
    },
    available: availableOf(watch),
    checkedAtMs: watch.checkedAtMs,
    checkProblem: watch.problem === null ? null : line(watch.problem),
    heldBack:
      watch.latest === null ? null : holdBack(watch.latest.version, rollouts.running(), plan),
    plan: plan === null ? null : planView(plan, core, rollouts),
  };
}

/** A rollout that reverted, one that waits for the operator, and metadata that cannot be trusted any more. */
export function updateProblems(update: UpdateStatus, self: string): readonly Problem[] {
  const { plan, checkProblem, node } = update;
  const found: Problem[] = [];
  if (plan?.state === "reverted") {
    found.push(
      notice(
        `the rollout of ${plan.version} was taken back`,
        plan.reason,
        "nothing else switches; look at that node's `mycelium logs`; `mycelium update plan` tries again",
      ),
    );
  }
  const waitsHere = plan?.decision?.participants.some(
    ({ id, part }) => id === self && part === "waiting",
  );
  if (plan?.state === "proposed" && update.approval === "operator" && waitsHere) {
    found.push(
      notice(
        `version ${plan.version} waits for your approval`,
        `UPDATE_APPROVAL is operator on this node${plan.notes === "" ? "" : `; what is new: ${plan.notes}`}`,
        `\`mycelium update approve ${plan.version}\`, or \`mycelium update abort\``,
      ),
    );
  }
  if (update.heldBack !== null && plan?.state !== "reverted" && update.available !== null) {
    found.push(
      notice(
        `version ${update.available.version} is not rolled out`,
        update.heldBack,
        "`mycelium update status` shows more",
      ),
    );
  }
  if (node.refused !== null && plan?.state !== "reverted") {
    found.push(
      notice(
        "a version was taken back on this node",
        node.refused,
        "it goes on with the one before; a new plan tries again",
      ),
    );
  }
  if (checkProblem !== null) {
    found.push(
      notice(
        "the last look for releases met a problem",
        checkProblem,
        "`mycelium update check` looks again; everything else goes on",
      ),
    );
  }
  return found;
}

export function gaugeUpdates(update: UpdateStatus, view: NodeUpdateView, metrics: Metrics): void {
  const { plan, available, node, checkedAtMs } = update;
  const isNew = available !== null && available.version !== node.version;
  metrics.gauge("mycelium_update_available", isNew ? 1 : 0);
  metrics.gauge("mycelium_update_on_trial", view.phase === "trial" ? 1 : 0);
  if (checkedAtMs !== null) {
    metrics.gauge("mycelium_update_checked_timestamp_seconds", checkedAtMs / 1_000);
  }
  if (plan === null) return;
  metrics.gauge("mycelium_update_rollout_active", isActive(plan.state) ? 1 : 0);
  metrics.gauge("mycelium_update_rollout_reverted", plan.state === "reverted" ? 1 : 0);
  for (const phase of PHASES) {
    const count = plan.nodes.filter((one) => one.phase === phase).length;
    metrics.gauge("mycelium_update_nodes", count, { phase });
  }
}

function isActive(state: PlanView["state"]): boolean {
  return ["proposed", "approved", "rolling", "paused"].includes(state);
}

function availableOf({ latest }: ReleaseWatch): UpdateStatus["available"] {
  return latest === null ? null : { version: latest.version, notes: line(latest.notes) };
}

function planView(plan: RolloutPlan, core: Core, rollouts: Rollouts): PlanView {
  const decision = rollouts.decision(plan.operation);
  const reports = rollouts.reports();
  const { id, kind, version, channel, notes, state, reason, createdAtMs, finalised, nodes } = plan;
  const around = surroundings(core);
  const leader = core.consensus.status().groups.find(({ group }) => group === "system")?.leader;
  const seen = { ...around, leader: leader ?? around.leader };
  const isOver = hasEnded(plan);
  // Before the leader's first step a plan has no nodes yet: all members will be in it.
  const expected =
    nodes.length > 0 ? plan : { ...plan, nodes: around.members.map((node) => waitingNode(node)) };
  return {
    id,
    kind,
    version,
    channel,
    notes: line(notes),
    state,
    reason: line(reason),
    createdAtMs,
    finalised,
    upcoming: isOver ? [] : plannedWaves(expected, seen).map((wave) => [...wave]),
    nodes: nodes.map((one) => ({
      id: one.node,
      phase: one.phase,
      wave: one.wave,
      version: one.version,
      standby: reports.get(one.node)?.standbyVersion ?? null,
      progress: one.progress,
      reason: one.reason,
    })),
    decision: decision === undefined ? null : decisionView(decision),
  };
}

function waitingNode(node: RolloutPlan["nodes"][number]["node"]): RolloutPlan["nodes"][number] {
  const none = { wave: null, granted: false, version: "", progress: 0, windowOpen: false };
  return { node, phase: "waiting", ...none, reason: "" };
}

function decisionView(decision: Decision): DecisionView {
  const { bound, operation, opening, outcome, phase } = decision;
  const open = (node: RolloutPlan["nodes"][number]["node"]) => {
    if (decision.hasRevealed(node)) return "revealed";
    return decision.hasCommitted(node) ? "committed" : "waiting";
  };
  return {
    operation,
    phase,
    result: outcome?.result ?? null,
    needed: bound.needed,
    total: bound.total,
    toleratesLiar: bound.toleratesLiar,
    participants: opening.participants.map(({ node, weight }) => {
      const ended = outcome?.parts.find((one) => one.node === node);
      const part = ended?.part ?? open(node);
      return { id: node, weight, part, reason: line(ended?.reason ?? "") };
    }),
  };
}

function notice(what: string, why: string, todo: string): Problem {
  return { severity: "notice", what: line(what), why: line(why || "no reason given"), todo };
}

function line(text: string): string {
  return text.slice(0, LINE_MAX);
}
