/**
 * A small world for rollouts under one seed: nodes with slots, a replicated store of which each node sees a prefix,
 * leaders that change, crashes, partitions, lost and late writes, releases that fail in every way. Time goes in steps.
 */

import {
  asNodeId,
  asReplicaId,
  type NodeId,
  nodeOfReplica,
  type Random,
  SeededRandom,
} from "../../../base/index.ts";
import { levelWeights } from "../../raft/index.ts";
import type { NodeUpdateView } from "../node-update-view.ts";
import { commandRollout } from "../rollout-commands.ts";
import { dutyOf, mayClaim, reportOf } from "../rollout-duty.ts";
import { hasEnded, type NodeReport, type RolloutPlan } from "../rollout-plan.ts";
import { updatePlan } from "../rollout-proposal.ts";
import type { GroupVoters } from "../rollout-quorum.ts";
import { type RolloutWorld, stepRollout } from "../rollout-step.ts";

const OLD = "a".repeat(64);
const NEW = "b".repeat(64);
const STEP_MS = 10_000;
const TRIAL_LIMIT_MS = 300_000;
const CONFIRM_MS = 60_000;

/** `lost`: the machine never comes back from the switch. */
export type Behaviour = "good" | "crashes" | "hangs" | "unhealthy" | "lost";

interface Store {
  readonly plan: RolloutPlan;
  readonly revision: number;
  readonly reports: ReadonlyMap<NodeId, { readonly seq: number; readonly report: NodeReport }>;
}

interface Machine {
  readonly id: NodeId;
  /** How much of the store's history it has applied. */
  applied: number;
  downUntilMs: number;
  connected: boolean;
  lastSeenMs: number;
  core: string;
  standby: string | null;
  trialSinceMs: number | null;
  refused: string | null;
  attempted: string | null;
  progress: number;
  /** Went down for a switch and is not up again. */
  switching: boolean;
  seq: number;
  switches: number;
}

export class RolloutSimulation {
  readonly random: Random;
  readonly machines: readonly Machine[];
  readonly groups: readonly GroupVoters[];
  readonly behaviour: Behaviour;
  readonly history: Store[];
  readonly broken: string[] = [];
  nowMs = 0;
  faults = true;
  #leader: NodeId | null = null;
  /** When each (leader, node) was first seen in its standing. */
  readonly #since = new Map<string, { readonly standing: string; readonly atMs: number }>();

  constructor(seed: number, behaviour: Behaviour) {
    this.random = new SeededRandom(seed);
    this.behaviour = behaviour;
    const size = 1 + this.random.below(8);
    const ids = Array.from({ length: size }, (_, i) => asNodeId(`n${i}`));
    this.machines = ids.map(newMachine);
    const count = [1, 2, 3, 5].filter((one) => one <= size)[this.random.below(4)] ?? 1;
    const raw = ids
      .slice(0, count)
      .map((id) => [asReplicaId(id), 1 + this.random.below(4)] as const);
    const voters = [...levelWeights(new Map(raw))].map(([replica, weight]) => ({
      node: nodeOfReplica(replica),
      weight,
    }));
    this.groups = ["system", "main"].map((group) => ({ group, voters }));
    const plan = updatePlan(RELEASE, [], { operation: 1, nowMs: 0 });
    this.history = [{ plan, revision: 1, reports: new Map() }];
  }

  get store(): Store {
    return this.history[this.history.length - 1] as Store;
  }

  get voterCount(): number {
    return this.groups[0]?.voters.length ?? 0;
  }

  get ended(): boolean {
    return hasEnded(this.store.plan);
  }

  /** Ten seconds, in which everybody does something, or not. */
  step(): void {
    this.nowMs += STEP_MS;
    if (this.faults) this.#strike();
    for (const machine of this.machines) this.#boot(machine);
    this.#elect();
    for (const machine of this.machines) {
      if (!this.#isUp(machine)) continue;
      if (machine.connected) machine.lastSeenMs = this.nowMs;
      if (machine.connected && (!this.faults || this.random.below(3) > 0)) this.#catchUp(machine);
      this.#act(machine);
    }
    const drivers = this.machines.filter(({ id }) => id === this.#leader);
    // One who was deposed may not know it yet; its writes go through the log like any other's.
    if (this.faults && this.random.below(5) === 0) drivers.push(this.#any());
    for (const machine of drivers) if (this.#isUp(machine)) this.#drive(machine);
    if (this.faults && this.random.below(60) === 0) this.#operate();
  }

  heal(): void {
    this.faults = false;
    for (const machine of this.machines) {
      machine.connected = true;
      if (machine.downUntilMs < Number.POSITIVE_INFINITY) machine.downUntilMs = this.nowMs;
    }
    if (this.store.plan.state === "paused") this.#command("resume");
  }

  #any(): Machine {
    return this.machines[this.random.below(this.machines.length)] as Machine;
  }

  #isUp(machine: Machine): boolean {
    return machine.downUntilMs <= this.nowMs && !machine.switching;
  }

  #strike(): void {
    const machine = this.#any();
    const kind = this.random.below(20);
    if (kind === 0 && this.#isUp(machine)) {
      machine.downUntilMs = this.nowMs + STEP_MS * (1 + this.random.below(20));
    }
    if (kind === 1) machine.connected = false;
    if (kind === 2) for (const one of this.machines) one.connected = true;
  }

  #elect(): void {
    const stays = this.machines.some((one) => one.id === this.#leader && this.#serves(one));
    if (stays && !(this.faults && this.random.below(30) === 0)) return;
    const [{ voters }] = this.groups as [GroupVoters];
    const reached = voters.filter(({ node }) => this.#serves(this.#machine(node)));
    const weight = (list: typeof voters) => list.reduce((sum, one) => sum + one.weight, 0);
    const hasQuorum = weight(reached) * 2 > weight(voters);
    this.#leader = hasQuorum ? (reached[this.random.below(reached.length)]?.node ?? null) : null;
  }

  #serves(machine: Machine): boolean {
    return this.#isUp(machine) && machine.connected;
  }

  #machine(id: NodeId): Machine {
    return this.machines.find((one) => one.id === id) as Machine;
  }

  #catchUp(machine: Machine): void {
    const missing = this.history.length - 1 - machine.applied;
    machine.applied += this.faults ? this.random.below(missing + 1) : missing;
  }

  /** A write of a machine: null when it did not get to the log, which the machine may or may not learn. */
  #write(machine: Machine, change: (store: Store) => Store | null): "ok" | "unknown" | "refused" {
    if (!machine.connected || this.#leader === null) return "refused";
    if (this.faults && this.random.below(10) === 0) return "unknown";
    const next = change(this.store);
    if (next === null) return "refused";
    this.history.push(next);
    return this.faults && this.random.below(10) === 0 ? "unknown" : "ok";
  }

  #drive(machine: Machine): void {
    this.#catchUp(machine);
    const seen = this.history[machine.applied] as Store;
    const world = this.#worldOf(machine, seen);
    const next = stepRollout(seen.plan, world);
    if (next === seen.plan) return;
    this.#write(machine, (store) =>
      store.revision === seen.revision
        ? { ...store, plan: next, revision: store.revision + 1 }
        : null,
    );
  }

  #worldOf(machine: Machine, seen: Store): RolloutWorld {
    const unseenMs = (node: NodeId) => {
      const one = this.#machine(node);
      return this.#serves(one) ? 0 : Math.max(1, this.nowMs - one.lastSeenMs);
    };
    const members = this.machines.map(({ id }) => id);
    return {
      leader: machine.id,
      leaders: new Set([machine.id]),
      groups: this.groups,
      away: new Set(members.filter((node) => unseenMs(node) > 0)),
      members,
      reports: new Map([...seen.reports].map(([node, { report }]) => [node, report])),
      unseenMs,
      stillMs: (node) => this.#stillMs(machine, seen.plan, node),
      comparison: { result: "agrees" },
      verdict: { result: "decided", certificate: new Uint8Array(1) },
    };
  }

  #stillMs(machine: Machine, plan: RolloutPlan, node: NodeId): number {
    const one = plan.nodes.find((candidate) => candidate.node === node);
    const standing = `${one?.phase}/${one?.granted}/${one?.progress}`;
    const key = `${machine.id} ${node}`;
    const known = this.#since.get(key);
    if (known?.standing === standing) return this.nowMs - known.atMs;
    this.#since.set(key, { standing, atMs: this.nowMs });
    return 0;
  }

  #act(machine: Machine): void {
    const seen = this.history[machine.applied] as Store;
    this.#prove(machine);
    const { attempted, id: node } = machine;
    const facts = { node, attempted, arch: "x64", sqlite: "3", view: viewOf(machine) } as const;
    const windowOpen = !this.faults || this.random.below(20) > 0;
    const report = reportOf(seen.plan, { ...facts, windowOpen }, null);
    this.#report(machine, seen, report);
    const duty = dutyOf(seen.plan, { ...facts, windowOpen });
    const isStaging = machine.progress > 0 && machine.progress < 100;
    if (duty === "stage" || isStaging) this.#stage(machine);
    if (duty === "switch") this.#claim(machine, seen, report);
  }

  #report(machine: Machine, seen: Store, report: NodeReport): void {
    const known = seen.reports.get(machine.id)?.report;
    if (JSON.stringify(report) === JSON.stringify(known)) return;
    const seq = ++machine.seq;
    const outcome = this.#write(machine, (store) => withReport(store, seq, report));
    if (outcome !== "unknown" || this.random.below(2) === 0) return;
    // A write that was given up may still come, later.
    this.#write(this.machines[0] as Machine, (store) => withReport(store, seq, report));
  }

  #stage(machine: Machine): void {
    machine.progress += 20 + this.random.below(81);
    if (machine.progress >= 100) machine.standby = NEW;
  }

  #claim(machine: Machine, seen: Store, report: NodeReport): void {
    const draining: NodeReport = { ...report, phase: "draining" };
    const seq = ++machine.seq;
    const outcome = this.#write(machine, (store) => {
      if (store.revision !== seen.revision || !mayClaim(store.plan, machine.id)) return null;
      const claimed = withReport(store, seq, draining);
      return claimed === null ? null : { ...claimed, revision: store.revision + 1 };
    });
    if (outcome !== "ok") return;
    machine.attempted = seen.plan.id;
    this.#switchOver(machine);
  }

  #switchOver(machine: Machine): void {
    machine.switches++;
    machine.switching = true;
    this.#check();
    machine.standby = machine.core;
    machine.core = NEW;
    machine.trialSinceMs = this.nowMs;
    const isLost = this.behaviour === "lost";
    machine.downUntilMs = isLost
      ? Number.POSITIVE_INFINITY
      : this.nowMs + STEP_MS * this.random.below(3);
  }

  /** Those who switch, with those the plan counts as offline, leave every group its quorum, if it can be left. */
  #check(): void {
    const switching = this.machines.filter((one) => one.switching).map(({ id }) => id);
    const offline = this.store.plan.nodes.filter(({ phase }) => phase === "offline");
    const down = new Set([...switching, ...offline.map(({ node }) => node)]);
    for (const { group, voters } of this.groups) {
      const weight = (list: typeof voters) => list.reduce((sum, one) => sum + one.weight, 0);
      const going = voters.filter(({ node }) => switching.includes(node));
      const left = voters.filter(({ node }) => !down.has(node));
      const isUnavoidable = voters.length <= 2 && left.length === voters.length - 1;
      if (going.length === 0 || isUnavoidable || weight(left) * 2 > weight(voters)) continue;
      this.broken.push(`${group} lost its quorum to ${[...down].join(" ")}`);
    }
  }

  /** A machine whose time is up comes back: from a crash, from the switch, or with the core before it. */
  #boot(machine: Machine): void {
    if (machine.downUntilMs > this.nowMs) return;
    if (machine.switching) machine.switching = false;
    if (machine.trialSinceMs !== null && this.behaviour === "crashes") this.#revert(machine);
  }

  #prove(machine: Machine): void {
    if (machine.trialSinceMs === null) return;
    const onTrialMs = this.nowMs - machine.trialSinceMs;
    if (this.behaviour === "unhealthy" && onTrialMs >= 30_000) this.#revert(machine);
    else if (this.behaviour === "hangs" && onTrialMs >= TRIAL_LIMIT_MS) this.#revert(machine);
    else if (this.behaviour === "good" && onTrialMs >= CONFIRM_MS) machine.trialSinceMs = null;
  }

  #revert(machine: Machine): void {
    machine.refused = machine.core;
    machine.standby = machine.core;
    machine.core = OLD;
    machine.trialSinceMs = null;
  }

  #operate(): void {
    const commands = ["pause", "resume", "resume", "abort"] as const;
    this.#command(commands[this.random.below(4)] ?? "resume");
  }

  #command(command: "pause" | "resume" | "abort"): void {
    const { plan, revision } = this.store;
    const verdict = commandRollout(plan, command);
    if (verdict.ok)
      this.history.push({ ...this.store, plan: verdict.plan, revision: revision + 1 });
  }
}

function newMachine(id: NodeId): Machine {
  return {
    id,
    applied: 0,
    downUntilMs: 0,
    connected: true,
    lastSeenMs: 0,
    core: OLD,
    standby: null,
    trialSinceMs: null,
    refused: null,
    attempted: null,
    progress: 0,
    switching: false,
    seq: 0,
    switches: 0,
  };
}

function withReport(store: Store, seq: number, report: NodeReport): Store | null {
  if ((store.reports.get(report.node)?.seq ?? 0) >= seq) return null;
  return { ...store, reports: new Map(store.reports).set(report.node, { seq, report }) };
}

function viewOf(machine: Machine): NodeUpdateView {
  const core = (coreSha256: string) => ({
    version: coreSha256 === NEW ? "0.2.0" : "0.1.0",
    coreSha256,
  });
  const isStaging = machine.progress > 0 && machine.progress < 100;
  const phase = machine.trialSinceMs !== null ? "trial" : isStaging ? "staging" : "idle";
  const staging = {
    version: "0.2.0",
    coreSha256: NEW,
    totalBytes: 100,
    doneBytes: Math.min(100, machine.progress),
    localBytes: 0,
    peerBytes: 0,
    originBytes: 0,
  };
  return {
    phase,
    running: core(machine.core),
    standby: machine.standby === null ? null : core(machine.standby),
    refused: machine.refused === null ? null : { coreSha256: machine.refused, reason: "it failed" },
    floor: 1,
    staging,
    problem: null,
  };
}

const RELEASE = {
  version: "0.2.0",
  channel: "stable",
  notes: "",
  digest: "d".repeat(64),
  targets: [
    {
      version: "0.2.0",
      arch: "x64",
      coreSha256: NEW,
      coreSizeBytes: 100,
      shippedSha256: "c".repeat(64),
      shippedSizeBytes: 50,
      stateFormat: 1,
      protocol: 1,
      minProtocol: 1,
      sqlite: "3",
      builtAtMs: 0,
    },
  ],
} as const;
