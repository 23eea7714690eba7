/**
 * Clients: each speaks to any node, writes, reads in every consistency, runs interactive transactions, and retries
 * with the same request id when it was not told the outcome. Everything asked and answered goes into the history.
 */

import { asRequestId, type Random } from "../../src/base/index.ts";
import type { Program, ProgramResult } from "../../src/domain/sql/index.ts";
import type { Consistency, SqlService } from "../../src/ports/index.ts";
import { type Askable, ask, type Outcome } from "./ask.ts";
import { answersOf, failedWith, type History } from "./history.ts";
import type { Operation } from "./linearizability.ts";

/** One node's process as its clients see it. */
export interface Gateway extends Askable {
  readonly service: SqlService;
}

export interface WorkloadOptions {
  readonly random: Random;
  readonly history: History;
  readonly nowMs: () => number;
  readonly sleep: (delayMs: number) => Promise<void>;
  /** The nodes that run now. */
  readonly gateways: () => readonly Gateway[];
  readonly note: (client: string, what: string) => void;
  /** Told of what breaks a promise, at once. */
  readonly violated: (what: string) => void;
  /** Begins to watch; the result tells whether a quorum was asked since. */
  readonly watchQuorum: () => () => boolean;
  readonly gapMs: number;
  readonly tableCount: number;
}

const DEADLINE_MS = 5_000;
const ATTEMPTS_MAX = 5;
/** Refusals after which the request was certainly not applied. */
const CERTAIN = new Set([
  "NO_QUORUM",
  "OVERLOADED",
  "READ_ONLY",
  "DISK_FULL",
  "CLOCK_OFF",
  "FORBIDDEN",
]);

interface Pending {
  callMs: number;
  returnMs: number;
  readonly client: string;
  program: readonly string[];
  answers: readonly string[] | null;
}

export class Client {
  readonly #name: string;
  readonly #options: WorkloadOptions;
  readonly #random: Random;
  #isStopped = false;
  #requestCount = 0;

  constructor(name: string, options: WorkloadOptions) {
    this.#name = name;
    this.#options = options;
    this.#random = options.random.fork();
  }

  /** Runs until `stop`, and then until the operation under way has ended. */
  async run(): Promise<void> {
    while (!this.#isStopped) {
      await this.#options.sleep(this.#options.gapMs * (0.2 + 1.6 * this.#random.float()));
      if (!this.#isStopped) await this.#act();
    }
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** A strong read of some keys, recorded; null when no node could serve it. */
  async readKeys(keys: readonly string[]): Promise<readonly string[] | null> {
    return this.#read(
      keys.map((key) => `get ${key}`),
      { level: "strong" },
    );
  }

  /** A write through one node, recorded; true when acknowledged. */
  async writeThrough(gateway: Gateway, sql: string): Promise<boolean> {
    return this.#write([sql], gateway);
  }

  async #act(): Promise<void> {
    const dice = this.#random.below(100);
    if (dice < 25) await this.#read(this.#readProgram(), { level: "strong" });
    else if (dice < 33) await this.#weakRead();
    else if (dice < 41) await this.#transaction();
    else if (dice < 53) await this.#write([`append log/x ${this.#token()}`], null);
    else if (dice < 58) await this.#write([this.#pinnedStatement()], null);
    else await this.#writeAndLook(this.#writeProgram());
  }

  /** What was acknowledged here must be seen there, at once. */
  async #writeAndLook(program: string[]): Promise<void> {
    const isDone = await this.#write(program, null);
    if (!isDone || this.#random.below(2) > 0) return;
    const keys = [...new Set(program.map((sql) => sql.split(" ")[1] ?? ""))];
    if (this.#random.below(2) === 0) {
      const looks = keys.map((key) => `get ${key}`);
      await this.#read(looks, { level: "strong" });
    } else {
      const looks = keys.map((key) => `cas ${key} ~ ${this.#token()}`);
      await this.#write(looks, null);
    }
  }

  #token(): string {
    return `${this.#name}.${++this.#requestCount}`;
  }

  #table(): string {
    return `t${this.#random.below(this.#options.tableCount)}`;
  }

  #readProgram(): string[] {
    const table = this.#table();
    const keys = this.#random.below(3) === 0 ? ["a", "b", "n"] : [this.#pickKey()];
    return keys.map((key) => `get ${table}/${key}`);
  }

  #pickKey(): string {
    return this.#random.below(2) === 0 ? "a" : "b";
  }

  #writeProgram(): string[] {
    const table = this.#table();
    const count = this.#random.below(4) === 0 ? 2 + this.#random.below(2) : 1;
    return Array.from({ length: count }, () => this.#writeStatement(table));
  }

  #writeStatement(table: string): string {
    const dice = this.#random.below(20);
    const key = `${table}/${this.#pickKey()}`;
    if (dice < 9) return `append ${key} ${this.#token()}`;
    if (dice < 13) return `incr ${table}/n`;
    if (dice < 16) return `cas ${table}/c ${this.#lastCas} ${this.#newCas()}`;
    if (dice < 17) return `set ${key} ${this.#token()}`;
    // Never succeeds: a read on the path of writes.
    if (dice < 18) return `cas ${key} ~ ${this.#token()}`;
    if (dice < 19) return `del ${key}`;
    return `fail ${table}/x`;
  }

  #lastCas = "-";

  #newCas(): string {
    this.#lastCas = `v${this.#random.below(4)}`;
    return this.#lastCas;
  }

  /** Pinned values and schema changes: what they give is judged by the replicas' agreement. */
  #pinnedStatement(): string {
    const dice = this.#random.below(3);
    if (dice === 0) return `random pin/r${this.#random.below(3)}`;
    return dice === 1 ? "now pin/now" : `schema pin/s${this.#random.below(4)}`;
  }

  #gateway(): Gateway | null {
    const running = this.#options.gateways();
    return running[this.#random.below(running.length)] ?? null;
  }

  async #read(statements: string[], consistency: Consistency): Promise<readonly string[] | null> {
    const gateway = this.#gateway();
    if (gateway === null) return null;
    const callMs = this.#options.nowMs();
    const quorumWasAsked = this.#options.watchQuorum();
    const outcome = await this.#ask(gateway, (service) =>
      service.read(programOf(statements), { role: "read", consistency, deadlineMs: DEADLINE_MS }),
    );
    this.#note(gateway, statements, outcome);
    if (outcome.kind !== "ok") return null;
    if (consistency.level === "strong") this.#mustRestOnQuorum(quorumWasAsked(), statements);
    const answers = answersOf(outcome.value);
    const returnMs = this.#options.nowMs();
    if (consistency.level === "strong") {
      this.#record({ client: this.#name, callMs, returnMs, program: statements, answers });
    } else {
      const maxStaleMs = consistency.level === "bounded" ? consistency.maxStaleMs : null;
      const { process } = gateway;
      const value = answers[0] ?? "-";
      const read = { client: this.#name, process, callMs, returnMs, value, maxStaleMs };
      this.#options.history.weakReads.push(read);
    }
    return answers;
  }

  async #weakRead(): Promise<void> {
    const maxStaleMs = 200 + this.#random.below(2_000);
    const isLocal = this.#random.below(2) === 0;
    await this.#read(
      ["get log/x"],
      isLocal ? { level: "local" } : { level: "bounded", maxStaleMs },
    );
  }

  async #write(statements: string[], first: Gateway | null): Promise<boolean> {
    const id = asRequestId(`${this.#name}-${++this.#requestCount}`);
    const request = { id, role: "write" as const, program: programOf(statements) };
    const operation = this.#begin(statements);
    let isUncertain = false;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const gateway = attempt === 0 && first !== null ? first : this.#gateway();
      if (gateway === null) {
        await this.#options.sleep(500);
        continue;
      }
      const quorumWasAsked = this.#options.watchQuorum();
      const outcome = await this.#ask(gateway, (service) => service.write(request));
      this.#note(gateway, [id, ...statements], outcome);
      if (outcome.kind === "ok") {
        this.#mustRestOnQuorum(quorumWasAsked(), statements);
        this.#end(operation, outcome.value);
        if (this.#random.below(8) === 0) await this.#resend(request, statements, outcome.value);
        return true;
      }
      isUncertain ||= outcome.kind === "unknown";
      if (!isUncertain || this.#random.below(5) === 0) break;
      await this.#options.sleep(this.#random.below(400));
    }
    if (!isUncertain) this.#forget(operation);
    return false;
  }

  /** A client that lost the answer asks again: it must be told the same, and nothing may happen twice. */
  async #resend(
    request: Parameters<SqlService["write"]>[0],
    statements: readonly string[],
    first: ProgramResult,
  ): Promise<void> {
    const isAlwaysKept = statements.every((sql) => /^(append|incr|set|random|now) /.test(sql));
    const gateway = this.#gateway();
    if (!isAlwaysKept || gateway === null || failedWith(first, "SQLITE_FULL")) return;
    await this.#options.sleep(this.#random.below(3_000));
    const outcome = await this.#ask(gateway, (service) => service.write(request));
    this.#note(gateway, ["again", request.id], outcome);
    if (outcome.kind !== "ok") return;
    const [told, again] = [answersOf(first).join("; "), answersOf(outcome.value).join("; ")];
    if (told === again) return;
    this.#options.violated(
      `request ${request.id} [${statements.join("; ")}] was told "${told}", then "${again}"`,
    );
  }

  async #transaction(): Promise<void> {
    const gateway = this.#gateway();
    if (gateway === null) return;
    const table = this.#table();
    const key = `${table}/${this.#pickKey()}`;
    const begun = await this.#ask(gateway, (service) => service.begin("write", "write"));
    if (begun.kind !== "ok") return;
    const transaction = begun.value;
    const operation = this.#begin([`get ${key}`]);
    const answers: string[] = [];
    const step = async (sql: string): Promise<boolean> => {
      const outcome = await this.#ask(gateway, () => transaction.step(programOf([sql]), 1_000));
      this.#note(gateway, ["tx", sql], outcome);
      if (outcome.kind !== "ok" || failedWith(outcome.value, "SQLITE_FULL")) return false;
      answers.push(...answersOf(outcome.value));
      return true;
    };
    const abandon = () => {
      this.#forget(operation);
      return this.#ask(gateway, () => transaction.close());
    };
    if (!(await step("begin")) || !(await step(`get ${key}`))) return void (await abandon());
    await this.#options.sleep(this.#random.below(60));
    const value = this.#token();
    if (!(await step(`set ${key} ${value}`))) return void (await abandon());
    if (this.#random.below(6) === 0) return void (await abandon());
    operation.program = [`get ${key}`, `set ${key} ${value}`];
    if (!(await step("commit"))) return;
    operation.answers = answers.slice(1, 3);
    operation.returnMs = this.#options.nowMs();
  }

  #ask<T>(gateway: Gateway, call: (service: SqlService) => Promise<T>): Promise<Outcome<T>> {
    const { sleep, violated } = this.#options;
    return ask(gateway, () => call(gateway.service), { sleep, violated, certain: CERTAIN });
  }

  /** A leader of yesterday can answer without one, and may be wrong (Raft thesis 6.4). */
  #mustRestOnQuorum(isAsked: boolean, statements: readonly string[]): void {
    if (isAsked) return;
    this.#options.violated(
      `an answer without a quorum: ${this.#name} was told of [${statements.join("; ")}] while no ` +
        "read index was confirmed and nothing committed",
    );
  }

  #begin(program: readonly string[]): Pending {
    const operation: Pending = {
      client: this.#name,
      callMs: this.#options.nowMs(),
      returnMs: Number.POSITIVE_INFINITY,
      program,
      answers: null,
    };
    if (isModelled(program)) this.#options.history.operations.push(operation);
    return operation;
  }

  #end(operation: Pending, result: ProgramResult): void {
    if (failedWith(result, "SQLITE_FULL")) {
      this.#forget(operation);
      return;
    }
    operation.answers = answersOf(result);
    operation.returnMs = this.#options.nowMs();
  }

  /** It certainly did not happen. */
  #forget(operation: Operation): void {
    const { operations } = this.#options.history;
    const at = operations.lastIndexOf(operation);
    if (at >= 0) operations.splice(at, 1);
    this.#options.history.refusedCount++;
  }

  #record(operation: Operation): void {
    if (isModelled(operation.program)) this.#options.history.operations.push(operation);
  }

  #note<T>(gateway: Gateway, asked: readonly string[], outcome: Outcome<T>): void {
    const told = outcome.kind === "ok" ? shown(outcome.value) : `${outcome.kind} ${outcome.code}`;
    this.#options.note(this.#name, `${gateway.process} [${asked.join("; ")}] -> ${told}`);
  }
}

/** Not pinned functions, whose values the model cannot foretell. */
function isModelled(program: readonly string[]): boolean {
  return program.every((sql) => !sql.includes(" pin/"));
}

function shown(value: unknown): string {
  const isResult = typeof value === "object" && value !== null && "steps" in value;
  const text = isResult ? answersOf(value as ProgramResult).join("; ") : "ok";
  return text.length <= 60 ? text : `...${text.slice(-57)}`;
}

export function programOf(statements: readonly string[]): Program {
  return {
    steps: statements.map((sql) => ({
      statement: { sql, args: [], namedArgs: [], wantRows: true },
      condition: null,
    })),
  };
}
