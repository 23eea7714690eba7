/** The simulated network as a whole: machines, links, what is watched, and what clients may reach. */

import {
  EPOCH_MS,
  type LogLine,
  MemoryNetwork,
  Scheduler,
} from "../../src/adapters/memory/index.ts";
import { GROUPS, SYSTEM } from "../../src/agent/groups.ts";
import {
  asGroupId,
  asNodeId,
  type GroupId,
  type LogIndex,
  MyceliumError,
  messageOf,
  type NodeId,
  present,
  type Random,
  type Term,
} from "../../src/base/index.ts";
import type { Askable } from "./ask.ts";
import { GrowingNetwork } from "./growing-network.ts";
import { History } from "./history.ts";
import { type Evidence, Invariants } from "./invariants.ts";
import { Machine } from "./machine.ts";
import { MembershipRules } from "./membership-rules.ts";
import { type Moment, type Plan, planOf } from "./plan.ts";
import { SimProcess } from "./process.ts";
import { PromiseRule } from "./promise-rule.ts";
import { RaftRules } from "./raft-rules.ts";
import { Trace } from "./trace.ts";
import type { Gateway } from "./workload.ts";

export const MAIN = asGroupId("main");
/** From a client to the node it speaks to. */
const CLIENT_DELAY_MS = 0.1;
/** Said only of what rotted. */
const DIFFERENCES = new Set([
  "store digest differs from the leader's",
  "store table differs between replicas",
  "store is read-only",
]);
/** Between a process's end and its supervisor starting it again. */
const RESTART_MS = 300;
/** Between looks at who takes part. */
const PLACEMENT_MS = 200;

export class World {
  readonly plan: Plan;
  readonly scheduler: Scheduler;
  readonly network: MemoryNetwork;
  readonly machines: readonly Machine[];
  readonly history = new History();
  readonly invariants: Invariants;
  readonly rules: RaftRules;
  readonly promises: PromiseRule;
  readonly trace: Trace;
  readonly random: Random;
  /** Told of moments at which a fault does most harm. */
  onMoment: ((moment: Moment, machine: Machine) => void) | null = null;
  readonly groups: readonly GroupId[];
  /** Null where all are members from the start. */
  readonly growing: GrowingNetwork | null;
  readonly membershipRules: MembershipRules | null;
  /** True once a row was changed behind a replica's back. */
  isRotten = false;
  #violation: string | null = null;

  constructor(seed: number, print: ((line: string) => void) | null) {
    this.scheduler = new Scheduler(seed);
    this.random = this.scheduler.random.fork();
    this.plan = planOf(seed, this.scheduler.random.fork());
    this.trace = new Trace(() => this.scheduler.nowMs, print);
    this.network = new MemoryNetwork(this.scheduler);
    [this.network.delayMinMs, this.network.delayMaxMs] = this.plan.delayMs;
    if (this.plan.hostile !== null) {
      const { lossRate, delayMaxMs } = this.plan.hostile;
      this.network.hostility = { channel: "raft", lossRate, duplicateRate: lossRate, delayMaxMs };
    }
    const { growth } = this.plan;
    this.groups = growth === null ? [MAIN] : GROUPS;
    const count = this.plan.weights.length + this.plan.learnerCount;
    this.machines = Array.from({ length: count }, (_, index) => {
      const { plan, scheduler, groups } = this;
      return new Machine({ index, plan, scheduler, groups });
    });
    const violated = (what: string) => this.violated(what);
    this.growing =
      growth === null
        ? null
        : new GrowingNetwork({ growth, machines: this.machines, links: this.network, violated });
    this.membershipRules = this.growing && new MembershipRules(this.growing, this);
    this.invariants = new Invariants(this.#evidence(), (what) => this.violated(what));
    this.rules = new RaftRules(MAIN, this.machines, (what) => this.violated(what));
    this.promises = new PromiseRule(MAIN, (what) => this.violated(what));
  }

  get violation(): string | null {
    return this.#violation;
  }

  /** The first broken promise ends the run. */
  violated(what: string): void {
    if (this.#violation !== null) return;
    this.#violation = this.#named(what);
    this.trace.add("!", this.#violation);
  }

  machineOf(node: NodeId): Machine {
    return present(
      this.machines.find((machine) => machine.node === node),
      `the machine of ${node}`,
    );
  }

  nameOf(node: NodeId | null): string {
    return this.machines.find((machine) => machine.node === node)?.name ?? "none";
  }

  /** Those that are to hold what is committed in a group. */
  holders(group: GroupId): readonly Machine[] {
    if (this.growing === null) return this.machines;
    const members = this.growing.members();
    return members.filter((machine) => machine.groups().includes(group));
  }

  /** Those through which clients write. */
  servers(): readonly Machine[] {
    return this.growing === null ? this.machines : this.holders(SYSTEM);
  }

  running(): Machine[] {
    return this.machines.filter((machine) => machine.process !== null);
  }

  gateways(): readonly Gateway[] {
    return this.servers().flatMap((machine) => {
      const service = machine.process?.service(MAIN) ?? null;
      const askable = this.askable(machine);
      return service === null || askable === null ? [] : [{ ...askable, service }];
    });
  }

  /** The process that runs on a machine, as those see it who ask it something. */
  askable(machine: Machine): Askable | null {
    const { process } = machine;
    if (process === null) return null;
    const isAlive = () => machine.process === process;
    const enter = (call: () => void) => void machine.host.enter(CLIENT_DELAY_MS, call);
    return { process: machine.processName, death: process.death, isAlive, enter };
  }

  leaderOf(group: GroupId): Machine | null {
    const leaders = this.running().filter((machine) => machine.process?.leads(group) === true);
    return leaders[this.random.below(Math.max(1, leaders.length))] ?? null;
  }

  /** Starts the process of a machine that has none. */
  start(machine: Machine): void {
    if (machine.process !== null || (this.growing !== null && machine.state === null)) return;
    machine.host.start();
    this.trace.add(machine.name, `starts as ${machine.processName}`);
    const process = new SimProcess(this, machine);
    machine.process = process;
    process.start().catch((error) => this.fatal(machine, process, error));
  }

  /** Ends a process as kill -9 or as a power cut does. */
  crash(machine: Machine, isPowerCut: boolean): void {
    const { process } = machine;
    if (process === null) return;
    this.rules.lookAt(machine);
    this.trace.add(machine.name, isPowerCut ? "loses power" : "is killed");
    machine.process = null;
    machine.host.kill();
    this.network.detach(machine.node, isPowerCut);
    if (isPowerCut) {
      machine.logDisk.cutPower(machine.random);
      for (const disk of machine.shardDisks.values()) disk.cutPower(machine.random);
    } else machine.logDisk.killProcess(machine.random);
    process.died();
  }

  /** A process found that it cannot go on: an expected reason restarts it, a bug ends the simulation. */
  fatal(machine: Machine, process: SimProcess, error: unknown): void {
    if (machine.process !== process) return;
    if (!(error instanceof MyceliumError)) {
      const stack = error instanceof Error ? (error.stack ?? "") : "";
      this.violated(`${machine.processName} met a bug: ${messageOf(error)}\n${stack}`);
      return;
    }
    this.trace.add(machine.name, this.#named(`ends: ${error.code} ${error.message}`));
    this.crash(machine, false);
    this.scheduler.schedule(RESTART_MS, () => this.start(machine));
  }

  /** A machine's disks hold an older state than what it promised: it begins its next life. */
  forgotten(machine: Machine, process: SimProcess, error: MyceliumError): void {
    if (machine.process !== process) return;
    this.trace.add(machine.name, this.#named(`begins anew: ${error.message}`));
    this.crash(machine, false);
    machine.beginLife();
    this.scheduler.schedule(RESTART_MS, () => this.start(machine));
    this.#place(new Set());
  }

  /** Until no replica of an earlier life takes part any more. */
  #place(voted: Set<Machine>): void {
    this.scheduler.schedule(PLACEMENT_MS, () => {
      const leader = this.leaderOf(MAIN)?.process ?? null;
      if (leader === null || leader.replaceOldLives(MAIN, voted)) this.#place(voted);
    });
  }

  /** What a node logs; some of it must never be said, because nothing here causes it. */
  logged(machine: Machine, { level, message, fields }: LogLine): void {
    const details = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
    this.trace.add(machine.name, this.#named(`${level} ${message} ${details.join(" ")}`));
    if (DIFFERENCES.has(message) && !this.isRotten) {
      this.violated(`${machine.name}: ${message}: ${details.join(" ")}`);
    }
  }

  /** Where every node stands, for failures. */
  describe(): string {
    const inGroups = this.groups.flatMap((group) =>
      this.machines.map((each) => each.process?.describe(group) ?? `${each.name} down`),
    );
    const running = this.growing === null ? [] : this.running();
    return [...inGroups, ...running.map((machine) => this.#described(machine))].join("; ");
  }

  /** Whom a member of a growing network knows. */
  #described({ address, name, process }: Machine): string {
    const linked = this.machines.filter(({ node }) => process?.isLinked(node) === true);
    const listed = process?.members?.membership.members() ?? [];
    const known = listed.map(
      ({ addresses, id, state }) => `${this.nameOf(id)} ${state} at ${addresses}`,
    );
    const links = linked.map((machine) => machine.name).join(" ");
    return `${name} at ${address} is linked with [${links}] and lists [${known.join(", ")}]`;
  }

  /** A text with nodes' names in place of their ids. */
  #named(text: string): string {
    return text.replace(/12D3KooW\w+/g, (node) => this.nameOf(asNodeId(node)));
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.scheduler.schedule(delayMs, resolve));
  }

  #evidence(): Evidence {
    return {
      termIn: (node, group, index): Term | null | "cut" =>
        this.machineOf(node).process?.termIn(group, index) ?? null,
      isDurable: (node, group, index: LogIndex, term) =>
        this.machineOf(node).logDisk.holds(group, index, term),
      termOf: (node, group) => this.machineOf(node).process?.replica(group)?.term ?? null,
      trueWallMs: () => EPOCH_MS + this.scheduler.nowMs,
      configurationsIn: (node, group) => this.machineOf(node).process?.configurations(group) ?? [],
    };
  }
}
