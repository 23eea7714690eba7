/** Those who run a growing network: they invite, join, leave, remove and move nodes, and try again until they are told how it ended. */

import { MEMBERS_FILE } from "../../src/agent/node-state.ts";
import type { Random } from "../../src/base/index.ts";
import { decodeJoinToken, nodeKeyFromSeed } from "../../src/domain/identity/index.ts";
import {
  buildEnrolRequest,
  encodeMemberList,
  openEnrolReply,
  type PendingEnrolment,
} from "../../src/runtime/membership/index.ts";
import { ask, type Outcome } from "./ask.ts";
import type { GrowingNetwork, TokenFacts } from "./growing-network.ts";
import type { Machine } from "./machine.ts";
import type { MemberNode } from "./member-node.ts";
import type { World } from "./world.ts";

/** What a joiner is told for good; anything else it asks again. */
const FINAL = new Set(["TOKEN_USED", "TOKEN_EXPIRED", "BAD_TOKEN", "ALREADY_MEMBER"]);
/** Anything else a joiner may be told only for the moment. */
const PASSING = new Set([
  "UNREACHABLE",
  "OVERLOADED",
  "NO_QUORUM",
  "NOT_LEADER",
  "CLOSED",
  "OUTCOME_UNKNOWN",
  "TIMEOUT",
  "DISK_FULL",
  "SQL",
  "READ_ONLY",
  "FORBIDDEN",
  "died",
  "no answer",
]);
const RETRY_MS = 300;
const ACTS_MAX = 3;

interface Token {
  readonly text: string;
  readonly facts: TokenFacts;
}

export class Operator {
  readonly #world: World;
  readonly #growing: GrowingNetwork;
  readonly #random: Random;
  readonly #underWay = new Set<Promise<void>>();
  #isStopped = false;
  #isShrinking = false;

  constructor(world: World, growing: GrowingNetwork) {
    this.#world = world;
    this.#growing = growing;
    this.#random = world.random.fork();
  }

  /** The first guests come while all is well. */
  async form(): Promise<void> {
    for (const machine of this.#outside().slice(0, this.#growing.growth.earlyCount)) {
      await this.#joinWith(await this.#invite("validator", 1), machine);
    }
  }

  /** Acts until `stop`, and then until all that was begun has ended. */
  async work(): Promise<void> {
    while (!this.#isStopped) {
      await this.#world.sleep(this.#growing.growth.actGapMs * (0.2 + 1.6 * this.#random.float()));
      if (!this.#isStopped && this.#underWay.size < ACTS_MAX) this.#begin(this.#act());
    }
    while (this.#underWay.size > 0) await Promise.race(this.#underWay);
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** How often a token may still be used, as the network says; null: nobody could say. */
  async usesLeft({ tokenKey }: TokenFacts): Promise<number | null> {
    const outcome = await this.#ask(this.#anyServer(), (node) => node.usesLeft(tokenKey));
    return outcome.kind === "ok" ? outcome.value : null;
  }

  /** A machine gets another address and starts anew. */
  move(machine: Machine): void {
    this.#world.crash(machine, this.#random.below(2) === 0);
    machine.move();
    this.#world.trace.add(machine.name, `moves to ${machine.address}`);
    this.#world.start(machine);
  }

  #begin(act: Promise<void>): void {
    const done = act.finally(() => this.#underWay.delete(done));
    this.#underWay.add(done);
  }

  async #act(): Promise<void> {
    if (this.#growing.growth.isSmall) return this.#actInSmall();
    const dice = this.#random.below(12);
    if (dice < 4) await this.#join();
    else if (dice < 6) await this.#race();
    else if (dice < 8) await this.#shrink((machine) => this.#leave(machine));
    else if (dice < 9) await this.#shrink((machine) => this.#remove(machine));
    else if (dice < 11) this.#moveOne();
    else this.#growing.seed.isReachable = !this.#growing.seed.isReachable;
  }

  /** One to three members, and hardly a moment without a change of them. */
  async #actInSmall(): Promise<void> {
    const count = this.#growing.members().length;
    const isMore = this.#random.below(2) === 0;
    if (count < 2 || (count < 3 && isMore)) await this.#join();
    else if (isMore) await this.#shrink((machine) => this.#leave(machine));
    else await this.#shrink((machine) => this.#remove(machine));
  }

  async #join(): Promise<void> {
    const [machine] = this.#outside();
    if (machine === undefined) return;
    this.#growing.stands(machine, "joining");
    const role = this.#random.below(4) === 0 ? "miner" : "validator";
    await this.#joinWith(await this.#invite(role, 1 + this.#random.below(2)), machine);
  }

  /** Two with a token for one: one of them is to be refused, and joins with another. */
  async #race(): Promise<void> {
    const pair = this.#outside().slice(0, 2);
    for (const machine of pair) this.#growing.stands(machine, "joining");
    if (pair.length === 0) return;
    const token = await this.#invite("validator", 1);
    await Promise.all(pair.map((machine) => this.#joinWith(token, machine)));
    for (const machine of pair) {
      if (this.#growing.standing(machine) !== "outside") continue;
      this.#growing.stands(machine, "joining");
      await this.#joinWith(await this.#invite("validator", 1), machine);
    }
  }

  /** One at a time, so that somebody who votes is left. */
  async #shrink(act: (machine: Machine) => Promise<void>): Promise<void> {
    const members = this.#growing.members();
    const machine = members[this.#random.below(members.length)];
    if (machine === undefined || this.#isShrinking || this.#votersWithout(machine) === 0) return;
    this.#isShrinking = true;
    await act(machine);
    this.#isShrinking = false;
  }

  #votersWithout(machine: Machine): number {
    const voters = this.#growing.members().filter((each) => each.mayVote());
    return voters.filter((each) => each !== machine).length;
  }

  async #leave(machine: Machine): Promise<void> {
    this.#growing.stands(machine, "leaving");
    this.#world.trace.add(machine.name, "is to leave");
    await this.#untilDone(async () => {
      const outcome = await this.#ask(machine, (node) => node.leave());
      // Its answer may have been lost, and its links cut since.
      return outcome.kind === "ok" || this.#isOffTheList(machine);
    });
    await this.#untilDone(async () => this.#isOffTheList(machine));
    this.#world.trace.add(machine.name, "has left");
    this.#world.crash(machine, false);
    machine.state = null;
    this.#growing.stands(machine, "gone");
  }

  /** The list of a member that stays does not name it. */
  #isOffTheList(machine: Machine): boolean {
    return this.#growing.members().some(({ process }) => {
      return process?.members?.membership.isRevoked(machine.node) === true;
    });
  }

  async #remove(machine: Machine): Promise<void> {
    this.#growing.stands(machine, "removing");
    this.#world.trace.add(machine.name, "is to be removed");
    await this.#untilDone(async () => {
      const outcome = await this.#ask(this.#anyServer(), (node) => node.remove(machine.node));
      return outcome.kind === "ok";
    });
    this.#world.trace.add(machine.name, "is removed");
    this.#growing.stands(machine, "gone");
  }

  #moveOne(): void {
    const members = this.#growing.members();
    const machine = members[this.#random.below(members.length)];
    if (machine !== undefined) this.move(machine);
  }

  async #invite(role: "validator" | "miner", uses: number): Promise<Token> {
    for (;;) {
      const outcome = await this.#ask(this.#anyServer(), (node) => node.invite(role, uses));
      if (outcome.kind === "ok") {
        const text = outcome.value.token;
        const { seed } = decodeJoinToken(text, this.#founderMs());
        const facts = this.#growing.newToken(nodeKeyFromSeed(seed).publicKey, uses);
        return { text, facts };
      }
      // Tier 2 invites nobody.
      await this.#world.sleep(RETRY_MS);
    }
  }

  /** Asks one node after the other, until one says yes or no. */
  async #joinWith({ text, facts }: Token, machine: Machine): Promise<void> {
    facts.asked.add(machine.node);
    this.#growing.stands(machine, "joining");
    for (;;) {
      const pending = this.#enrolRequest(text, machine);
      // Some ask again before they are answered.
      const outcomes = await Promise.all(
        Array.from({ length: 1 + this.#random.below(2) }, () =>
          this.#ask(this.#anyServer(), (node) => node.enrol(pending.body)),
        ),
      );
      const isAdmitted = outcomes.some(({ kind }) => kind === "ok");
      for (const outcome of outcomes) {
        if (isAdmitted && outcome.kind !== "ok" && outcome.code === "TOKEN_USED") {
          return this.#world.violated(
            `token: ${machine.name} is admitted and told that it is used`,
          );
        }
      }
      for (const outcome of outcomes) {
        if (this.#isSettled(outcome, pending, machine, facts)) return;
      }
      await this.#world.sleep(RETRY_MS);
    }
  }

  /** Whether the joiner has been told yes or no. */
  #isSettled(
    outcome: Outcome<Uint8Array>,
    pending: PendingEnrolment,
    machine: Machine,
    facts: TokenFacts,
  ): boolean {
    if (outcome.kind !== "ok") {
      if (outcome.code === "TOKEN_USED") this.#growing.refusedAsUsed(machine, facts);
      else if (!PASSING.has(outcome.code)) {
        this.#world.violated(`${machine.name}: ${outcome.code}: ${outcome.reason}`);
      } else return false;
      return true;
    }
    const enrolled = openEnrolReply(pending, outcome.value, machine.host.wallMs());
    machine.files.set(MEMBERS_FILE, encodeMemberList(enrolled.members));
    this.#growing.joined(machine, facts, enrolled.encodedGrant);
    this.#world.trace.add(machine.name, `joins as ${enrolled.grant.role}`);
    this.#world.start(machine);
    return true;
  }

  #enrolRequest(text: string, machine: Machine): PendingEnrolment {
    return buildEnrolRequest({
      token: decodeJoinToken(text, machine.host.wallMs()),
      key: machine.key,
      announcement: machine.announcement(this.#growing.growth),
      protocolVersion: "1.0.0",
      minProtocolVersion: "1.0.0",
      wallMs: machine.host.wallMs(),
      replySecret: Uint8Array.from({ length: 32 }, () => this.#random.below(256)),
    });
  }

  #outside(): readonly Machine[] {
    return this.#world.machines.filter((each) => this.#growing.standing(each) === "outside");
  }

  #founderMs(): number {
    return this.#world.machines[0]?.host.wallMs() ?? 0;
  }

  #anyServer(): Machine | null {
    const servers = this.#world.servers().filter(({ process }) => process !== null);
    return servers[this.#random.below(Math.max(1, servers.length))] ?? null;
  }

  async #untilDone(attempt: () => Promise<boolean>): Promise<void> {
    while (!(await attempt())) await this.#world.sleep(RETRY_MS);
  }

  async #ask<T>(
    machine: Machine | null,
    call: (node: MemberNode) => Promise<T>,
  ): Promise<Outcome<T>> {
    const askable = machine === null ? null : this.#world.askable(machine);
    const node = machine?.process?.members ?? null;
    if (askable === null || node === null) return { kind: "refused", code: "UNREACHABLE" };
    const { sleep, violated } = {
      sleep: (delayMs: number) => this.#world.sleep(delayMs),
      violated: (what: string) => this.#world.violated(what),
    };
    return ask(askable, () => call(node), { sleep, violated, certain: FINAL });
  }
}
