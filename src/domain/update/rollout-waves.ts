/** Who switches next: one canary that leads nothing, then waves that keep every quorum, whoever leads last. */

import type { NodeId } from "../../base/index.ts";
import { hasEnded, type PlanNode, type RolloutPlan } from "./rollout-plan.ts";
import { type GroupVoters, mayGoDown, weightOf } from "./rollout-quorum.ts";

export interface WaveWorld {
  /** Of shard `system`, and so of the rollout. */
  readonly leader: NodeId;
  /** Leaders of any group: they go after those who lead nothing. */
  readonly leaders: ReadonlySet<NodeId>;
  readonly groups: readonly GroupVoters[];
  /** Members that are away from the leader. */
  readonly away: ReadonlySet<NodeId>;
}

/** At most one node in so many is in one wave. */
const WAVE_SHARE = 4;
const WAVE_SIZE_MAX = 16;

/** Told to switch, and neither through nor given up. */
export function isInFlight({ granted, phase }: PlanNode): boolean {
  return phase === "draining" || phase === "switched" || (granted && !isSettled({ phase }));
}

/** Nothing more is expected of it. */
export function isSettled({ phase }: Pick<PlanNode, "phase">): boolean {
  return ["healthy", "reverted", "failed", "offline", "unable"].includes(phase);
}

/** Whether a canary has proven the release on this network. */
export function canaryPassed(plan: RolloutPlan): boolean {
  return plan.nodes.some(({ wave, phase }) => wave === 0 && phase === "healthy");
}

/** The canary that brought another SQLite, from its switch on until a wave follows it; null when there is none such. */
export function comparedCanary(plan: RolloutPlan): NodeId | null {
  if (!plan.changesSqlite || plan.waves !== 1 || hasEnded(plan)) return null;
  const canary = plan.nodes.find(
    ({ wave, phase }) => wave === 0 && (phase === "switched" || phase === "healthy"),
  );
  return canary?.node ?? null;
}

/**
 * Whether this canary has to go back to the version before: its plan ended with it, and what its SQLite writes is other
 * than the others' data, or was never compared to the end.
 */
export function mustGoBack(plan: RolloutPlan, { phase, wave }: PlanNode): boolean {
  return plan.changesSqlite && plan.state === "reverted" && wave === 0 && phase === "failed";
}

/** The nodes of the next wave; empty while there is nobody to send or somebody is under way. */
export function nextWave(plan: RolloutPlan, world: WaveWorld): readonly NodeId[] {
  if (plan.nodes.some(isInFlight)) return [];
  const waiting = plan.nodes.filter((one) => !isSettled(one));
  const onlyLeader = waiting.every(({ node }) => node === world.leader);
  const ready = waiting
    .filter(({ phase, windowOpen }) => phase === "staged" && windowOpen)
    .filter(({ node }) => !world.away.has(node))
    .filter(({ node }) => onlyLeader || node !== world.leader)
    .map(({ node }) => node)
    .sort((a, b) => order(a, world) - order(b, world) || (a < b ? -1 : 1));
  const wave: NodeId[] = [];
  for (const node of ready) {
    if (wave.length >= waveSizeMax(plan)) break;
    if (mayGoDown(world.groups, downOf(plan, world), [...wave, node])) wave.push(node);
  }
  return wave;
}

/** The waves to come if all goes well, for people. */
export function plannedWaves(plan: RolloutPlan, world: WaveWorld): readonly (readonly NodeId[])[] {
  let nodes = plan.nodes.map((one) => {
    if (isSettled(one)) return one;
    const phase = isInFlight(one) ? ("healthy" as const) : ("staged" as const);
    return { ...one, phase, windowOpen: true };
  });
  const waves: (readonly NodeId[])[] = [];
  for (;;) {
    const assumed = { ...plan, nodes };
    const wave = nextWave(assumed, { ...world, away: new Set() });
    if (wave.length === 0) return waves;
    nodes = nodes.map((one) =>
      wave.includes(one.node)
        ? { ...one, phase: "healthy" as const, wave: plan.waves + waves.length }
        : one,
    );
    waves.push(wave);
  }
}

/** Whether those who may switch now, or are switching, can still be spared: others may have gone since. */
export function grantsAreSafe(plan: RolloutPlan, world: WaveWorld): boolean {
  const wave = plan.nodes.filter(isInFlight).map(({ node }) => node);
  const others = [...downOf(plan, world)].filter((node) => !wave.includes(node));
  return mayGoDown(world.groups, new Set(others), wave);
}

function waveSizeMax(plan: RolloutPlan): number {
  if (!canaryPassed(plan)) return 1;
  return Math.min(WAVE_SIZE_MAX, Math.ceil(plan.nodes.length / WAVE_SHARE));
}

function downOf(plan: RolloutPlan, world: WaveWorld): ReadonlySet<NodeId> {
  const offline = plan.nodes.filter(({ phase }) => phase === "offline").map(({ node }) => node);
  return new Set([...world.away, ...offline]);
}

function order(node: NodeId, { groups, leaders }: WaveWorld): number {
  return weightOf(groups, node) + (leaders.has(node) ? Number.MAX_SAFE_INTEGER / 2 : 0);
}
