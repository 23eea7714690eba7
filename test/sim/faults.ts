/** What goes wrong. Each fault is started by a draw and ends by itself some time later; `healAll` ends all. */

import type { Random } from "../../src/base/index.ts";
import { BOOTSTRAP_INDEX } from "../../src/domain/raft/index.ts";
import type { Machine } from "./machine.ts";
import type { Fault, Moment } from "./plan.ts";
import { MAIN, type World } from "./world.ts";

/** Wall clocks stay within what the network tolerates: 5 minutes from the members' median. */
const WALL_JUMP_MAX_MS = 100_000;

/** More than the network tolerates. */
const LEAP_MS = 600_000;
/** How often a moment is looked for at which a copy can be put back. */
const PUT_BACK_TRIES = 100;
const PUT_BACK_TRY_MS = 20;

/** How long after its moment an ambush strikes at the latest. */
const REACH_MS: Readonly<Record<Moment, number>> = {
  vote: 30,
  lead: 150,
  configuration: 1,
  "old-commit": 0.2,
  "catch-up": 5,
};

export class Faults {
  readonly #world: World;
  readonly #random: Random;
  #isStormy = true;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.scheduler.random.fork();
  }

  /** Draws faults until the storm is over. */
  async storm(): Promise<void> {
    const { plan, scheduler } = this.#world;
    const endMs = scheduler.nowMs + plan.stormMs;
    this.#world.onMoment = (moment, machine) => this.#ambush(moment, machine);
    while (scheduler.nowMs < endMs) {
      await this.#world.sleep(plan.faultGapMs * (0.2 + 1.6 * this.#random.float()));
      const fault = plan.faults[this.#random.below(Math.max(1, plan.faults.length))];
      if (fault !== undefined) this.#starters[fault](this.#pick());
    }
    // What the last fault asked of a process is done in this turn: healing may restart that process, and the dead do not.
    await this.#world.sleep(0);
    this.#healAll();
  }

  #healAll(): void {
    const { network, machines, trace } = this.#world;
    this.#isStormy = false;
    this.#world.onMoment = null;
    trace.add("~", "all heals");
    network.hostility = null;
    for (const a of machines) {
      for (const b of machines) network.unblock(a.node, b.node);
      network.slow(a.node, 0);
      a.diskSlowness = 1;
      a.logDisk.isFull = false;
      for (const disk of a.shardDisks.values()) disk.isFull = false;
      a.host.resume();
      this.#setClockRight(a);
      this.#world.start(a);
    }
  }

  readonly #starters: Readonly<Record<Fault, (machine: Machine) => void>> = {
    kill: (machine) => this.#crash(machine, false),
    "power-cut": (machine) => this.#crash(machine, true),
    "power-cut-all": () => this.#cutAllPower(),
    partition: () => this.#partition(),
    "one-way": (machine) => this.#block([[machine, this.#pick()]], "one way"),
    "isolate-leader": (machine) => this.#isolate(this.#world.leaderOf(MAIN) ?? machine),
    "drop-link": (machine) => this.#dropLink(machine, this.#pick()),
    pause: (machine) => this.#pause(machine),
    "slow-disk": (machine) => this.#slowDisk(machine),
    "slow-node": (machine) => this.#slowNode(machine),
    "clock-jump": (machine) => this.#jumpClock(machine),
    transfer: () => this.#world.leaderOf(MAIN)?.process?.handOver(MAIN),
    damage: (machine) => this.#damage(machine),
    corrupt: (machine) => this.#corrupt(machine),
    "clock-leap": (machine) => this.#leapClock(this.#world.leaderOf(MAIN) ?? machine),
    "put-back": (machine) => this.#putBack(machine, PUT_BACK_TRIES),
    "disk-full": (machine) => this.#fillDisk(machine),
    "change-weight": () => this.#changeMembers(true),
    "change-members": () => this.#changeMembers(false),
    disown: () => this.#disown(),
  };

  #pick(): Machine {
    const { machines } = this.#world;
    return machines[this.#random.below(machines.length)] as Machine;
  }

  /** Ends something later, unless the end of the storm has ended it already. */
  #later(end: () => void): void {
    const delayMs = this.#random.float() ** 2 * this.#world.plan.faultLengthMs;
    this.#world.scheduler.schedule(delayMs, () => {
      if (this.#isStormy) end();
    });
  }

  #crash(machine: Machine, isPowerCut: boolean): void {
    this.#world.crash(machine, isPowerCut);
    this.#later(() => this.#world.start(machine));
  }

  /** Strikes at a moment that some mistake would need: once in a few. */
  #ambush(moment: Moment, machine: Machine): void {
    if (!this.#world.plan.ambushes.includes(moment) || this.#random.below(3) > 0) return;
    const reachMs = REACH_MS[moment];
    this.#world.scheduler.schedule(this.#random.float() ** 2 * reachMs, () => {
      if (!this.#isStormy) return;
      if (moment === "configuration") this.#cutOff(machine);
      else if (moment === "old-commit") this.#blinkMany(machine);
      else if (moment === "catch-up") this.#blink(machine);
      else if (this.#random.below(2) === 0) this.#blink(machine);
      else this.#isolate(machine);
    });
  }

  /** A leader and one or two others on one side, the rest on the other. */
  #cutOff(leader: Machine): void {
    const side = new Set([leader, this.#pick(), this.#pick()]);
    // What is under way is lost too: else the other side knows already what it is not to know.
    for (const a of side) {
      for (const b of this.#world.machines) {
        if (!side.has(b)) this.#world.network.dropLink(a.node, b.node, false);
      }
    }
    this.#split(side);
  }

  /** Power fails under one node and about half of the others. */
  #blinkMany(machine: Machine): void {
    for (const other of this.#world.machines) {
      this.#world.network.dropLink(machine.node, other.node, false);
      if (other === machine || this.#random.below(2) === 0) this.#blink(other);
    }
  }

  /** A crash with a restart before anybody has stood for election. */
  #blink(machine: Machine): void {
    this.#world.crash(machine, this.#random.below(2) === 0);
    this.#world.scheduler.schedule(this.#random.float() * 60, () => this.#world.start(machine));
  }

  #cutAllPower(): void {
    if (this.#random.below(4) > 0) return;
    for (const machine of this.#world.machines) this.#crash(machine, true);
  }

  #partition(): void {
    this.#split(new Set(this.#world.machines.filter(() => this.#random.below(2) === 0)));
  }

  #split(side: ReadonlySet<Machine>): void {
    const { machines } = this.#world;
    const pairs = machines.flatMap((a) =>
      machines.filter((b) => side.has(a) !== side.has(b)).map((b): [Machine, Machine] => [a, b]),
    );
    this.#block(pairs, `partition around ${[...side].map(({ name }) => name).join(" ") || "none"}`);
  }

  #isolate(machine: Machine): void {
    const others = this.#world.machines.filter((other) => other !== machine);
    const ways = this.#random.below(3);
    const pairs = others.flatMap((other) => {
      const both: [Machine, Machine][] = [
        [machine, other],
        [other, machine],
      ];
      return ways === 0 ? both : both.slice(ways - 1, ways);
    });
    this.#block(pairs, `isolation of ${machine.name}, ${["", "its words", "its ears"][ways]}`);
  }

  #block(pairs: readonly [Machine, Machine][], what: string): void {
    this.#world.trace.add("~", what);
    for (const [a, b] of pairs) if (a !== b) this.#world.network.block(a.node, b.node);
    this.#later(() => {
      this.#world.trace.add("~", `${what} ends`);
      for (const [a, b] of pairs) this.#world.network.unblock(a.node, b.node);
    });
  }

  #dropLink(a: Machine, b: Machine): void {
    if (a === b) return;
    const deliversLate = this.#random.below(2) === 0;
    this.#world.trace.add("~", `link ${a.name} ${b.name} drops`);
    this.#world.network.dropLink(a.node, b.node, deliversLate);
  }

  #pause(machine: Machine): void {
    if (machine.process === null) return;
    this.#world.trace.add(machine.name, "pauses");
    machine.host.pause();
    this.#later(() => {
      this.#world.trace.add(machine.name, "goes on");
      machine.host.resume();
    });
  }

  #slowDisk(machine: Machine): void {
    machine.diskSlowness = 5 + this.#random.below(40);
    this.#world.trace.add(machine.name, `disk ${machine.diskSlowness} times slower`);
    this.#later(() => {
      machine.diskSlowness = 1;
    });
  }

  #slowNode(machine: Machine): void {
    const extraMs = 20 + this.#random.below(400);
    this.#world.trace.add(machine.name, `network ${extraMs} ms slower`);
    this.#world.network.slow(machine.node, extraMs);
    this.#later(() => this.#world.network.slow(machine.node, 0));
  }

  #jumpClock(machine: Machine): void {
    const toMs = (this.#random.float() * 2 - 1) * WALL_JUMP_MAX_MS;
    this.#world.trace.add(machine.name, `wall clock jumps to ${Math.round(toMs)} ms off`);
    machine.host.jumpWall(toMs - machine.wallJumpMs);
    machine.wallJumpMs = toMs;
  }

  /**
   * One wall clock is wrong by far, until its machine is started again with a right one. Half of them do not see it when
   * they lead: then the others must.
   */
  #leapClock(machine: Machine): void {
    const { machines } = this.#world;
    if (machines.some(({ leapMs }) => leapMs !== 0) || !this.#isSafeToHarm(machine)) return;
    machine.isBlindToClock = this.#random.below(2) === 0;
    machine.leap(LEAP_MS * (1 + this.#random.below(10)));
    this.#world.trace.add(machine.name, `wall clock leaps by ${machine.leapMs} ms`);
    this.#later(() => this.#setClockRight(machine));
  }

  #setClockRight(machine: Machine): void {
    if (machine.leapMs === 0) return;
    this.#world.crash(machine, false);
    machine.leap(-machine.leapMs);
    machine.isBlindToClock = false;
    this.#world.start(machine);
  }

  /** A bit flips in the synced log of one replica; never in two before the first is whole again. */
  #damage(machine: Machine): void {
    const { machines, plan } = this.#world;
    const isBusy = machines.some(({ logDisk }) => logDisk.isDamaged(MAIN));
    if (isBusy || plan.weights.length < 3 || !this.#isSafeToHarm(machine)) return;
    this.#world.crash(machine, false);
    if (machine.logDisk.damage(MAIN, this.#random)) {
      this.#world.trace.add(machine.name, "log is damaged");
    }
    this.#later(() => this.#world.start(machine));
  }

  /**
   * A machine's disks are copied, and later the copy is put back. Only while the others have all that it acknowledged
   * and know every vote it gave: what nobody remembers who runs cannot be told to it.
   */
  #putBack(machine: Machine, tries: number): void {
    const { machines, scheduler } = this.#world;
    if (!this.#isStormy) return;
    const terms = new Set(machines.map(({ process }) => process?.replica(MAIN)?.term));
    const isKnown =
      terms.size === 1 &&
      !machines.some(({ logDisk }) => logDisk.isDamaged(MAIN)) &&
      this.#allVotersRun();
    if (machine.process === null || !isKnown || !this.#isSafeToHarm(machine)) {
      if (tries === 0) return;
      scheduler.schedule(PUT_BACK_TRY_MS, () => this.#putBack(machine, tries - 1));
      return;
    }
    if (machine.hasCopy) this.#world.promises.putBack(machine, this.#world.leaderOf(MAIN));
    this.#world.crash(machine, false);
    if (machine.hasCopy) machine.putCopyBack();
    else machine.copyDisks();
    this.#world.trace.add(machine.name, machine.hasCopy ? "is copied" : "gets a copy put back");
    this.#later(() => this.#world.start(machine));
  }

  /** Nobody who began anew still counts as the replica it was: two of those may be a quorum that is gone for good. */
  #allVotersRun(): boolean {
    const leader = this.#world.leaderOf(MAIN)?.process?.replica(MAIN);
    const running = this.#world.machines.map(({ process }) => process?.replica(MAIN)?.id);
    if (leader === null || leader === undefined) return false;
    // Between two configurations both count.
    const { outgoing, voters } = leader.configuration;
    return [...voters, ...outgoing].every(({ replica }) => running.includes(replica));
  }

  /** A page of one replica's database is damaged; others hold what it held. */
  #corrupt(machine: Machine): void {
    const { machines, plan } = this.#world;
    const isBusy = machines.some((each) => each.shardDisk(MAIN).isCorrupt);
    const isMendable = machines.length > 1 ? plan.weights.length > 1 : this.#hasWholeLog(machine);
    if (isBusy || !isMendable || !this.#isSafeToHarm(machine)) return;
    machine.shardDisk(MAIN).isCorrupt = true;
    this.#world.trace.add(machine.name, "database is damaged");
    if (this.#random.below(2) === 0) return;
    this.#world.crash(machine, false);
    this.#later(() => this.#world.start(machine));
  }

  /** And it stays so: it is cut only behind a checkpoint, which a damaged database does not make. */
  #hasWholeLog(machine: Machine): boolean {
    return machine.process?.replica(MAIN)?.snapshotIndex === BOOTSTRAP_INDEX;
  }

  /** Others run and follow, so that what is lost here is held by a quorum elsewhere. */
  #isSafeToHarm(machine: Machine): boolean {
    return this.#world.machines.every(
      (other) => other === machine || other.process?.isHealthy(MAIN) === true,
    );
  }

  /** Some take their leader for one that does not do its duty, rightly or not. */
  #disown(): void {
    for (const machine of this.#world.running()) {
      if (this.#random.below(2) === 0) machine.process?.disown(MAIN);
    }
  }

  #fillDisk(machine: Machine): void {
    const isLog = this.#random.below(2) === 0;
    const disk = isLog ? machine.logDisk : machine.shardDisk(MAIN);
    disk.isFull = true;
    this.#world.trace.add(machine.name, `${isLog ? "log" : "database"} disk is full`);
    this.#later(() => {
      disk.isFull = false;
      this.#world.trace.add(machine.name, "disk has room again");
    });
  }

  #changeMembers(onlyWeights: boolean): void {
    const leader = this.#world.leaderOf(MAIN);
    const initialCount = this.#world.plan.weights.length;
    const voterMin = Math.min(3, initialCount);
    const voters = new Map<Machine, number>();
    this.#world.machines.forEach((machine, i) => {
      const isVoter = onlyWeights ? i < initialCount : this.#random.below(4) > 0;
      if (isVoter && voters.size < 7) voters.set(machine, 1 + this.#random.below(4));
    });
    for (const machine of this.#world.machines) {
      if (voters.size < voterMin) voters.set(machine, 2);
    }
    leader?.process?.changeMembers(MAIN, voters);
  }
}
