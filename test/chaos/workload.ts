/**
 * Clients of a cluster under faults: unique inserts, registers, strong reads through any node, interactive
 * transactions, local reads. Each operation is recorded with its call, its return and what was told.
 */

import type { Random } from "../../src/base/index.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { ClusterNode } from "../cluster/cluster-node.ts";
import {
  SqlClient,
  type SqlOutcome,
  type SqlRow,
  type SqlStatement,
} from "../cluster/sql-client.ts";
import { InsertLedger } from "./insert-ledger.ts";
import { type PendingOperation, Registers } from "./registers.ts";
import { bodyOf, insert, register } from "./statements.ts";

export interface WorkloadOptions {
  readonly cluster: Cluster;
  readonly random: Random;
  readonly clientCount: number;
  /** Between a client's operations, on average. */
  readonly gapMs: number;
  readonly violated: (what: string) => void;
}

/** After these the request was certainly not applied. */
const REFUSED = new Set([
  ...["NO_QUORUM", "OVERLOADED", "SQLITE_READONLY", "SQLITE_FULL", "SQLITE_BUSY", "CLOCK_OFF"],
  ...["FORBIDDEN", "READ_ONLY", "DISK_FULL", "STATE_CORRUPT"],
]);
/** After these it may have been, or may be yet. */
const UNKNOWN = new Set([
  ...["OUTCOME_UNKNOWN", "TIMEOUT", "UNREACHABLE", "CLOSED", "NOT_LEADER", "STREAM_EXPIRED"],
  ...["TRANSACTION_CLOSED", "HTTP 503", "BATON_INVALID", "TRANSACTION_LOST"],
]);
const ATTEMPTS_MAX = 6;

type Told =
  | { readonly kind: "refused" }
  | { readonly kind: "unknown" }
  | (SqlOutcome & { readonly kind: "ok" });

export class Workload {
  readonly inserts = new InsertLedger();
  readonly registers = new Registers();
  /** Outcomes by operation and kind, "insert ok", and refusals by code. */
  readonly counts: Record<string, number> = {};
  staleCount = 0;
  /** Of the last acknowledged write. */
  lastAckMs = performance.now();
  longestGapMs = 0;
  readonly #options: WorkloadOptions;
  readonly #sql: SqlClient;
  readonly #running: Promise<void>[] = [];
  #isStopped = false;
  #isHeld = false;
  #underWay = 0;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    this.#sql = new SqlClient(() => options.cluster.token);
  }

  get sql(): SqlClient {
    return this.#sql;
  }

  start(): void {
    for (let i = 0; i < this.#options.clientCount; i++) {
      const random = this.#options.random.fork();
      this.#running.push(this.#client(`c${i}`, random));
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#running);
  }

  /** No new operations until `release`; resolves when none is under way. */
  async hold(): Promise<void> {
    this.#isHeld = true;
    while (this.#underWay > 0) await Bun.sleep(5);
  }

  release(): void {
    this.#isHeld = false;
    this.lastAckMs = performance.now();
  }

  async #client(name: string, random: Random): Promise<void> {
    let count = 0;
    while (!this.#isStopped) {
      await Bun.sleep(this.#options.gapMs * 2 * random.float());
      const node = this.#anyNode(random);
      if (this.#isHeld || node === null) continue;
      this.#underWay++;
      try {
        await this.#act(`${name}-${++count}`, random, node);
      } catch (error) {
        this.#options.violated(`the workload broke: ${String((error as Error).stack)}`);
      }
      this.#underWay--;
    }
  }

  #anyNode(random: Random): ClusterNode | null {
    const up = this.#options.cluster.upNodes;
    return up[random.below(Math.max(1, up.length))] ?? null;
  }

  async #act(id: string, random: Random, node: ClusterNode): Promise<void> {
    const dice = random.below(100);
    if (dice < 40) await this.#insert(id, random, node);
    else if (dice < 65) await this.#writeRegister(id, random, node);
    else if (dice < 80) await this.#readRegister(id, random, node);
    else if (dice < 87) await this.#readInsert(node);
    else if (dice < 93) await this.#localRead(node);
    else await this.#transaction(id, random, node);
  }

  async #insert(id: string, random: Random, node: ClusterNode): Promise<void> {
    const told = await this.#write(id, insert(id), random, node);
    this.#count("insert", told.kind);
    if (told.kind === "ok") this.inserts.acknowledge(id, performance.now());
    else if (told.kind === "refused") this.inserts.refuse(id);
    else this.inserts.leaveUnknown(id);
  }

  async #writeRegister(id: string, random: Random, node: ClusterNode): Promise<void> {
    const key = this.registers.key(random.below(3));
    const dice = random.below(10);
    const statement =
      dice < 5
        ? `append ${key} ${id}`
        : dice < 7
          ? `set ${key} ${id}`
          : `cas ${key} ${this.#lastSeen.get(key) ?? "-"} ${id}`;
    const operation = this.registers.begin(id, key, [statement], performance.now());
    const told = await this.#write(id, register(statement), random, node);
    this.#count("register", told.kind);
    this.#record(key, operation, told);
  }

  readonly #lastSeen = new Map<string, string>();

  #record(key: string, operation: PendingOperation, told: Told): void {
    if (told.kind !== "ok") {
      if (told.kind === "refused") this.registers.forget(key, operation);
      else this.registers.leaveUnknown(key);
      return;
    }
    const answers = operation.program.map((_, i) => registerValue(told.results[i]));
    if (this.#lastSeen.size > 100) this.#lastSeen.clear();
    this.#lastSeen.set(key, answers.at(-1) ?? "-");
    this.registers.answer(key, operation, answers, performance.now());
  }

  async #readRegister(id: string, random: Random, node: ClusterNode): Promise<void> {
    const key = this.registers.key(random.below(3));
    const operation = this.registers.begin(id, key, [`get ${key}`], performance.now());
    const told = this.#told(await this.#sql.run(node.target, [register(`get ${key}`)]));
    this.#count("read", told.kind);
    // A read has no effect: one without an answer never was.
    if (told.kind === "ok") this.#record(key, operation, told);
    else this.registers.forget(key, operation);
  }

  /** What was acknowledged before must be seen by a strong read through any node. */
  async #readInsert(node: ClusterNode): Promise<void> {
    const id = this.inserts.recent;
    if (id === null) return;
    const sql = "SELECT body FROM ins WHERE id = ?";
    const told = this.#told(await this.#sql.run(node.target, [{ sql, args: [id] }]));
    this.#count("read", told.kind);
    if (told.kind !== "ok") return;
    const rows = told.results[0] ?? [];
    if (rows.length === 1 && rows[0]?.[0] === bodyOf(id)) return;
    this.staleCount++;
    this.#options.violated(
      `stale: a strong read through ${node.state} gave ${rows.length} rows of ${id}`,
    );
  }

  /** May be behind, must be whole. */
  async #localRead(node: ClusterNode): Promise<void> {
    const sql = "SELECT id, body FROM ins ORDER BY n DESC LIMIT 20";
    const headers = { "Mycelium-Consistency": "local" };
    const outcome = await this.#sql.run(node.target, [{ sql }], { headers });
    // So far behind that the table is not there yet.
    if (outcome.kind === "error" && outcome.message.includes("no such table")) return;
    const told = this.#told(outcome);
    this.#count("local read", told.kind);
    if (told.kind !== "ok") return;
    for (const [id, body] of told.results[0] ?? []) {
      if (body === bodyOf(id ?? "")) continue;
      this.#options.violated(
        `a local read through ${node.state} served a damaged row: ${id} ${body}`,
      );
    }
  }

  async #transaction(id: string, random: Random, node: ClusterNode): Promise<void> {
    const begun = await this.#step(node, null, [{ sql: "BEGIN IMMEDIATE" }]);
    if (begun === null) return;
    const key = this.registers.key(random.below(3));
    const [get, set] = [`get ${key}`, `set ${key} ${id}`];
    const operation = this.registers.begin(id, key, [get, set], performance.now());
    const results: SqlRow[][] = [];
    let baton: string | null = begun.baton;
    for (const statement of [get, set]) {
      const done = await this.#step(node, baton, [register(statement)]);
      if (done === null) return this.registers.forget(key, operation);
      results.push(...done.results.map((rows) => [...rows]));
      baton = done.baton;
      await Bun.sleep(random.below(20));
    }
    const isKept = random.below(5) > 0;
    const end: SqlStatement = { sql: isKept ? "COMMIT" : "ROLLBACK" };
    const told = this.#told(await this.#sql.run(node.target, [end], { baton }));
    this.#count("transaction", told.kind);
    if (!isKept) return this.registers.forget(key, operation);
    if (told.kind === "ok") this.#acknowledged();
    this.#record(key, operation, told.kind === "ok" ? { ...told, results } : told);
  }

  async #step(
    node: ClusterNode,
    baton: string | null,
    statements: readonly SqlStatement[],
  ): Promise<(SqlOutcome & { kind: "ok" }) | null> {
    const told = this.#told(await this.#sql.run(node.target, statements, { baton }));
    return told.kind === "ok" ? told : null;
  }

  /** Writes with one request id, through other nodes after an unknown outcome. */
  async #write(
    id: string,
    statement: SqlStatement,
    random: Random,
    first: ClusterNode,
  ): Promise<Told> {
    const headers = { "Mycelium-Request-Id": id };
    let node: ClusterNode | null = first;
    let isUncertain = false;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      if (node !== null) {
        const told = this.#told(await this.#sql.run(node.target, [statement], { headers }));
        if (told.kind === "ok") {
          this.#acknowledged();
          // A client that lost the answer asks again: nothing may happen twice.
          if (random.below(20) === 0) await this.#sql.run(node.target, [statement], { headers });
          return told;
        }
        isUncertain ||= told.kind === "unknown";
        if (!isUncertain) return told;
      }
      await Bun.sleep(random.below(300));
      node = this.#anyNode(random);
    }
    return { kind: "unknown" };
  }

  #told(outcome: SqlOutcome): Told {
    if (outcome.kind === "ok") return outcome;
    if (outcome.kind === "unsent") return { kind: "refused" };
    if (outcome.kind === "unknown") return { kind: "unknown" };
    this.#count("refusal", outcome.code);
    if (REFUSED.has(outcome.code)) return { kind: "refused" };
    if (!UNKNOWN.has(outcome.code)) {
      this.#options.violated(`unexpected error ${outcome.code}: ${outcome.message}`);
    }
    return { kind: "unknown" };
  }

  #acknowledged(): void {
    const nowMs = performance.now();
    this.longestGapMs = Math.max(this.longestGapMs, nowMs - this.lastAckMs);
    this.lastAckMs = nowMs;
  }

  #count(what: string, kind: string): void {
    const name = `${what} ${kind}`;
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }
}

function registerValue(rows: readonly SqlRow[] | undefined): string {
  return rows?.[0]?.[0] ?? "-";
}
