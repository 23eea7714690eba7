/**
 * One seed from start to verdict: the network forms, clients work through a storm of faults, everything heals, and
 * then within bounds of virtual time every node must serve a write and all replicas must be equal. At the end the
 * history is judged.
 */

import { messageOf, type Random } from "../../src/base/index.ts";
import { Faults } from "./faults.ts";
import type { GrowingNetwork } from "./growing-network.ts";
import { judge } from "./history.ts";
import { Operator } from "./operator.ts";
import { rot } from "./rot.ts";
import { ownSequences, whatIsMissing } from "./settled.ts";
import { Stranger } from "./stranger.ts";
import { Client, type Gateway } from "./workload.ts";
import { MAIN, World } from "./world.ts";

export interface Report {
  readonly seed: number;
  /** Null: all held. */
  readonly violation: string | null;
  readonly lastLines: readonly string[];
  readonly traceDigest: string;
  readonly traceCount: number;
  readonly virtualMs: number;
  readonly stepCount: number;
  readonly okCount: number;
  readonly unknownCount: number;
  readonly refusedCount: number;
  readonly undecidedCount: number;
  readonly appliedCount: number;
}

/** Rows that rot, one after the other, when all is quiet. */
const ROT_COUNT = 2;
/** Virtual time for each step of the recovery. */
const RECOVERY_LIMIT_MS = 60_000;
/** For members to find each other: a record that gossip lost is published again after 100 s, or pulled within 60 s. */
const SETTLE_LIMIT_MS = 300_000;
/** After so many events without an end, time does not pass any more: a busy loop. */
const STEP_COUNT_MAX = 4_000_000;
/** Between looks at rejections that nobody handled, which the event loop reports. */
const BREATH_STEP_COUNT = 2_000;

export async function simulate(
  seed: number,
  print: ((line: string) => void) | null = null,
): Promise<Report> {
  const world = new World(seed, print);
  const unhandled = (error: unknown) => {
    world.violated(`a rejection that nobody handled: ${messageOf(error)}\n${stackOf(error)}`);
  };
  process.on("unhandledRejection", unhandled);
  const run = new Run(world);
  try {
    await run.toEnd();
  } finally {
    process.off("unhandledRejection", unhandled);
  }
  return run.report();
}

class Run {
  readonly #world: World;
  readonly #random: Random;
  #undecidedCount = 0;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.scheduler.random.fork();
  }

  async toEnd(): Promise<void> {
    let isDone = false;
    this.#script().then(
      () => {
        isDone = true;
      },
      (error) =>
        this.#world.violated(`the simulation failed: ${messageOf(error)}\n${stackOf(error)}`),
    );
    const { scheduler } = this.#world;
    while (!isDone && this.#world.violation === null) {
      this.#step();
      if (scheduler.stepCount > STEP_COUNT_MAX) this.#world.violated("time does not pass any more");
      if (scheduler.stepCount % BREATH_STEP_COUNT === 0) await breath();
    }
    await breath();
  }

  report(): Report {
    const { history, invariants, plan, scheduler, trace, violation } = this.#world;
    return {
      seed: plan.seed,
      violation,
      lastLines: trace.last(40),
      traceDigest: trace.digest(),
      traceCount: trace.count,
      virtualMs: scheduler.nowMs,
      stepCount: scheduler.stepCount,
      okCount: history.okCount,
      unknownCount: history.unknownCount,
      refusedCount: history.refusedCount,
      undecidedCount: this.#undecidedCount,
      appliedCount: invariants.appliedCount(MAIN),
    };
  }

  #step(): void {
    try {
      if (!this.#world.scheduler.step()) this.#world.violated("nothing is left to happen");
      this.#world.rules.look();
    } catch (error) {
      this.#world.violated(`an event met a bug: ${messageOf(error)}\n${stackOf(error)}`);
    }
  }

  async #script(): Promise<void> {
    const { machines, plan, trace } = this.#world;
    const { weights, learnerCount, faults, hostile } = plan;
    trace.add("~", `weights ${weights}, ${learnerCount} learners, ${faults.join(" ")}`);
    trace.add("~", hostile === null ? "links keep order" : "hostile links");
    for (const machine of machines) this.#world.start(machine);
    const operator = await this.#form();
    const clients = this.#clients();
    const working = clients.map((client) => client.run());
    const operating = operator?.work();
    await new Faults(this.#world).storm();
    operator?.stop();
    for (const client of clients) client.stop();
    await Promise.all(working);
    const closer = clients[0];
    if (closer === undefined) return;
    await this.#settle(operator, operating);
    await this.#everyNodeServes(closer);
    await this.#replicasConverge();
    const rotCount = operator === null ? ROT_COUNT : 0;
    for (let count = 0; count < rotCount; count++) {
      if (rot(this.#world, this.#random)) await this.#replicasConverge();
    }
    await this.#everyNodeServes(closer);
    await this.#replicasConverge();
    await this.#judge(closer);
  }

  /** A network that grows: its first guests come before anything goes wrong. */
  async #form(): Promise<Operator | null> {
    const { growing } = this.#world;
    if (growing === null) return null;
    void new Stranger(this.#world, growing).start();
    const operator = new Operator(this.#world, growing);
    await operator.form();
    return operator;
  }

  /** What operators began ends, members find each other, also after all lost their power, and tokens were counted. */
  async #settle(operator: Operator | null, operating: Promise<void> | undefined): Promise<void> {
    const { growing, random } = this.#world;
    if (operator === null || growing === null) return;
    growing.seed.isReachable = true;
    await this.#allSettle(growing);
    await operating;
    await this.#countTokens(operator, growing);
    for (const machine of growing.members()) this.#world.crash(machine, true);
    for (const machine of growing.members()) {
      if (growing.growth.hasGossip && random.below(2) === 0) operator.move(machine);
      else this.#world.start(machine);
    }
    await this.#allSettle(growing);
  }

  async #allSettle(growing: GrowingNetwork): Promise<void> {
    const { scheduler } = this.#world;
    const limitMs = scheduler.nowMs + SETTLE_LIMIT_MS;
    const least = await ownSequences(growing);
    for (;;) {
      const missing = await whatIsMissing(this.#world, growing, least);
      if (missing === null || this.#world.violation !== null) return;
      if (scheduler.nowMs > limitMs) {
        return this.#world.violated(
          `membership: ${SETTLE_LIMIT_MS} ms after all healed ${missing}: ${this.#world.describe()}`,
        );
      }
      await this.#world.sleep(500);
    }
  }

  async #countTokens(operator: Operator, growing: GrowingNetwork): Promise<void> {
    for (const token of growing.tokens) {
      const left = await operator.usesLeft(token);
      const wanted = token.usesMax - token.joined.size;
      if (left === null || left === wanted) continue;
      this.#world.violated(
        `token: ${left} uses are left, of ${token.usesMax} ${token.joined.size} joined`,
      );
    }
  }

  #clients(): Client[] {
    const { history, plan, scheduler, trace } = this.#world;
    return Array.from({ length: plan.clientCount }, (_, i) => {
      return new Client(`c${i}`, {
        random: scheduler.random.fork(),
        history,
        nowMs: () => scheduler.nowMs,
        sleep: (delayMs) => this.#world.sleep(delayMs),
        gateways: () => this.#world.gateways(),
        note: (client, what) => trace.add(client, what),
        violated: (what) => this.#world.violated(what),
        watchQuorum: () => this.#world.rules.watchQuorum(),
        gapMs: plan.clientGapMs,
        tableCount: plan.tableCount,
      });
    });
  }

  async #everyNodeServes(client: Client): Promise<void> {
    const { scheduler } = this.#world;
    const limitMs = scheduler.nowMs + RECOVERY_LIMIT_MS;
    for (const machine of this.#world.servers()) {
      let count = 0;
      while (!(await this.#isServedBy(client, machine.name, `final-${machine.name}-${count++}`))) {
        if (scheduler.nowMs > limitMs) {
          this.#world.violated(
            `liveness: ${machine.name} acknowledges no write ${RECOVERY_LIMIT_MS} ms after all healed: ` +
              this.#world.describe(),
          );
          return;
        }
        await this.#world.sleep(200);
      }
    }
  }

  async #isServedBy(client: Client, name: string, token: string): Promise<boolean> {
    const gateway = this.#world
      .gateways()
      .find((each: Gateway) => each.process.startsWith(`${name}.`));
    return gateway !== undefined && client.writeThrough(gateway, `append log/x ${token}`);
  }

  async #replicasConverge(): Promise<void> {
    const { scheduler } = this.#world;
    const limitMs = scheduler.nowMs + RECOVERY_LIMIT_MS;
    while (!this.#areEqual()) {
      if (scheduler.nowMs > limitMs) {
        this.#world.violated(
          `convergence: replicas differ ${RECOVERY_LIMIT_MS} ms after the last write: ` +
            this.#world.describe(),
        );
        return;
      }
      await this.#world.sleep(200);
    }
  }

  #areEqual(): boolean {
    return this.#world.groups.every((group) => {
      const holders = this.#world.holders(group);
      const images = holders.map((machine) => machine.process?.image(group) ?? null);
      const first = images[0] ?? null;
      return first !== null && images.every((image) => image === first);
    });
  }

  async #judge(client: Client): Promise<void> {
    const keys = ["a", "b", "c", "n"];
    const tables = Array.from({ length: this.#world.plan.tableCount }, (_, i) => `t${i}`);
    for (const table of tables) {
      await this.#mustRead(
        client,
        keys.map((key) => `${table}/${key}`),
      );
    }
    const lists = await this.#mustRead(client, ["log/x"]);
    const finalLists = new Map([["log/x", lists[0] ?? "-"]]);
    const verdict = judge(this.#world.history, finalLists);
    this.#undecidedCount = verdict.undecidedCount;
    if (verdict.violation !== null) this.#world.violated(verdict.violation);
  }

  async #mustRead(client: Client, keys: readonly string[]): Promise<readonly string[]> {
    for (let attempt = 0; attempt < 20; attempt++) {
      const answers = await client.readKeys(keys);
      if (answers !== null) return answers;
    }
    this.#world.violated(`liveness: no node serves a strong read after all healed`);
    return [];
  }
}

function breath(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? "") : "";
}
