/** Updates for people: this node, what is available, and how far the rollout is. */

import { formatDurationMs } from "../../base/index.ts";
import type { UpdateStatus } from "../../domain/api/index.ts";
import type { Paint } from "../terminal.ts";
import { alignRows } from "./align-rows.ts";
import { shortId } from "./short-id.ts";

type Plan = NonNullable<UpdateStatus["plan"]>;
type Decision = NonNullable<Plan["decision"]>;

export const ROLLOUT_ACTIVE: ReadonlySet<Plan["state"]> = new Set([
  "proposed",
  "approved",
  "rolling",
  "paused",
] as const);

/** Lines without a line end. */
export function updateView(update: UpdateStatus, nowMs: number, ink: Paint): string[] {
  const { plan } = update;
  return [
    ...alignRows(factRows(update, nowMs)).map((line) => `  ${line}`),
    "",
    ...(plan === null ? ["No rollout yet."] : planView(plan, ink)),
  ];
}

/** One line of what it is, one on its decision, and a row for each node. */
export function planView(plan: Plan, ink: Paint): string[] {
  const { kind, nodes, notes, reason, state, version } = plan;
  const through = nodes.filter(({ phase }) => phase === "healthy").length;
  const count = nodes.length === 0 ? "" : `, ${through} of ${nodes.length} nodes`;
  const what = kind === "rollback" ? `Rollback to ${version}` : `Rollout of ${version}`;
  return [
    `${ink.bold(what)}: ${painted(state, ink)}${count}${reason === "" ? "" : `: ${reason}`}`,
    ...(notes === "" ? [] : [ink.dim(`  ${notes}`)]),
    ...decisionLines(plan.decision, state),
    ...nodeLines(plan, ink),
  ];
}

function factRows({ approval, available, channel, ...rest }: UpdateStatus, nowMs: number) {
  const { checkedAtMs, checkProblem, configured, node } = rest;
  const standby = node.standby === null ? "" : `, ${node.standby} in the standby`;
  const phase = node.phase === "none" ? "no slots: not started by the launcher" : node.phase;
  const ago =
    checkedAtMs === null
      ? "not looked yet"
      : `${formatDurationMs(Math.max(0, nowMs - checkedAtMs))} ago`;
  const rows = [
    ["this node", `${node.version}, ${phase}${standby}`],
    ["channel", `${channel}, approval: ${approval}`],
    [
      "available",
      available === null ? "nothing known" : `${available.version} ${available.notes}`.trim(),
    ],
    ["looked", ago],
  ];
  if (!configured) rows.push(["", "no trusted root: set UPDATE_ROOT to take updates"]);
  if (rest.heldBack !== null) rows.push(["held back", rest.heldBack]);
  if (checkProblem !== null) rows.push(["problem", checkProblem]);
  if (node.problem !== null) rows.push(["problem", node.problem]);
  if (node.refused !== null) rows.push(["taken back", node.refused]);
  return rows;
}

function painted(state: Plan["state"], ink: Paint): string {
  if (state === "done") return ink.green(state);
  return state === "reverted" || state === "rejected" ? ink.red(state) : ink.yellow(state);
}

function decisionLines(decision: Decision | null, state: Plan["state"]): string[] {
  if (decision === null || (state !== "proposed" && state !== "rejected")) return [];
  const { needed, participants, toleratesLiar, total } = decision;
  const said = participants
    .filter(({ part }) => part !== "waiting" && part !== "absent")
    .reduce((sum, { weight }) => sum + weight, 0);
  const caution = toleratesLiar ? "" : " (three or fewer decide: no liar is tolerated)";
  const waiting = participants
    .filter(({ part }) => part === "waiting")
    .map(({ id }) => shortId(id));
  return [
    `  votes: weight ${said} of ${total}, needed ${needed}${caution}`,
    ...(waiting.length === 0 ? [] : [`  waits for ${waiting.join(" ")}`]),
    ...participants
      .filter(({ reason }) => reason !== "")
      .map(({ id, reason }) => `  ${shortId(id)}: ${reason}`),
  ];
}

function nodeLines({ nodes, upcoming }: Plan, ink: Paint): string[] {
  if (nodes.length === 0) return [];
  const rows = nodes.map(({ id, phase, progress, reason, standby, version, wave }) => {
    const next = upcoming.findIndex((one) => one.includes(id));
    const turn =
      wave !== null ? (wave === 0 ? "canary" : String(wave)) : next < 0 ? "" : `next +${next + 1}`;
    const done = phase === "staging" || phase === "waiting" ? `${progress} %` : "";
    return [shortId(id), turn, phase, done, version, standby ?? "", reason];
  });
  const [head = "", ...lines] = alignRows([
    ["NODE", "WAVE", "PHASE", "", "VERSION", "STANDBY", ""],
    ...rows,
  ]);
  return [ink.dim(head), ...lines];
}
