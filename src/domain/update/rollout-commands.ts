/** What an operator may do to a plan that is there. */

import { asReason, hasEnded, type RolloutPlan } from "./rollout-plan.ts";
import { withoutGrants } from "./rollout-step.ts";

export type RolloutCommand = "pause" | "resume" | "abort";

export type CommandVerdict =
  | { readonly ok: true; readonly plan: RolloutPlan }
  | { readonly ok: false; readonly reason: string };

/** Nodes that went down for the switch already go through with it, whatever is said. */
export function commandRollout(plan: RolloutPlan, command: RolloutCommand): CommandVerdict {
  const { state, version } = plan;
  if (hasEnded(plan)) return refused(`the rollout of ${version} has ended: it is ${state}`);
  const nodes = withoutGrants(plan.nodes);
  switch (command) {
    case "abort":
      return changed({ ...plan, nodes, state: "aborted", reason: "aborted by the operator" });
    case "pause":
      if (state === "paused") return refused(`the rollout of ${version} is paused already`);
      if (state === "proposed") return refused(`the rollout of ${version} is not approved yet`);
      return changed({ ...plan, nodes, state: "paused", reason: "paused by the operator" });
    case "resume":
      if (state !== "paused")
        return refused(`the rollout of ${version} is not paused: it is ${state}`);
      return changed({ ...plan, nodes: retried(plan), state: resumedState(plan), reason: "" });
  }
}

function resumedState(plan: RolloutPlan): "approved" | "rolling" {
  return plan.waves === 0 ? "approved" : "rolling";
}

/** Whoever was left out gets another chance. */
function retried(plan: RolloutPlan): RolloutPlan["nodes"] {
  return plan.nodes.map((one) =>
    one.phase === "unable" ? { ...one, phase: "waiting", wave: null, reason: "" } : one,
  );
}

function changed(plan: RolloutPlan): CommandVerdict {
  return { ok: true, plan: { ...plan, reason: asReason(plan.reason) } };
}

function refused(reason: string): CommandVerdict {
  return { ok: false, reason };
}
