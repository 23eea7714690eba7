/**
 * Clients that write through every gateway without a pause, each retrying a request that failed once, on the next node;
 * and one per node that connects again and again. What they know is held against the rows at the end.
 */

import { createConnection } from "node:net";
import type { ClusterNode } from "../cluster/cluster-node.ts";
import type { Target } from "../cluster/http-connection.ts";
import { until } from "../cluster/processes.ts";
import { SqlClient, type SqlOutcome } from "../cluster/sql-client.ts";

const WRITE_GAP_MS = 20;
const CONNECT_GAP_MS = 20;
const CONNECT_TIMEOUT_MS = 1_000;

export interface LoadReport {
  readonly acknowledged: number;
  /** Requests that failed on one node and were retried. */
  readonly retried: number;
  /** The longest that a client waited for one write, retries included. */
  readonly slowestMs: number;
  /** Of each node, the longest time in which no connection to it was accepted. */
  readonly refusedMs: readonly number[];
  /** Requests that failed twice, and acknowledged rows that are not there. */
  readonly problems: readonly string[];
}

export class SteadyLoad {
  readonly #nodes: readonly ClusterNode[];
  readonly #client: SqlClient;
  readonly #acknowledged: string[] = [];
  readonly #problems: string[] = [];
  readonly #refusedMs: number[];
  readonly #work: Promise<void>[];
  #retried = 0;
  #slowestMs = 0;
  #isOver = false;

  private constructor(nodes: readonly ClusterNode[], client: SqlClient, name: string) {
    this.#nodes = nodes;
    this.#client = client;
    this.#refusedMs = nodes.map(() => 0);
    this.#work = nodes.flatMap((node, i) => [this.#write(i, `${name}-${i}`), this.#probe(node, i)]);
  }

  /** `name` is new for each load on the same network. */
  static async start(
    nodes: readonly ClusterNode[],
    token: string,
    name: string,
  ): Promise<SteadyLoad> {
    const client = new SqlClient(() => token);
    const [first] = nodes;
    if (first === undefined) throw new Error("a load needs nodes");
    const sql = "CREATE TABLE IF NOT EXISTS loaded (id TEXT PRIMARY KEY)";
    await until("the table", async () => {
      const made = await client.run(first.target, [{ sql }]);
      return made.kind === "ok" ? true : null;
    });
    return new SteadyLoad(nodes, client, name);
  }

  /** Ends the load, and judges it. */
  async stop(): Promise<LoadReport> {
    this.#isOver = true;
    await Promise.all(this.#work);
    const problems = [...this.#problems, ...(await this.#rowProblems())];
    this.#client.close();
    return {
      acknowledged: this.#acknowledged.length,
      retried: this.#retried,
      slowestMs: Math.round(this.#slowestMs),
      refusedMs: this.#refusedMs.map(Math.round),
      problems,
    };
  }

  async #write(gateway: number, name: string): Promise<void> {
    for (let n = 1; !this.#isOver; n++) {
      const id = `${name}-${n}`;
      const startMs = performance.now();
      const first = await this.#insert(gateway, id);
      const outcome = first.kind === "ok" ? first : await this.#insert(gateway + 1, id);
      this.#slowestMs = Math.max(this.#slowestMs, performance.now() - startMs);
      if (first.kind !== "ok") this.#retried++;
      if (outcome.kind === "ok") this.#acknowledged.push(id);
      else this.#problems.push(`${id} failed twice: ${said(first)}; then ${said(outcome)}`);
      await Bun.sleep(WRITE_GAP_MS);
    }
  }

  /** The retry of one that took effect after all changes nothing. */
  #insert(gateway: number, id: string): Promise<SqlOutcome> {
    const { target } = this.#nodes[gateway % this.#nodes.length] as ClusterNode;
    const sql = "INSERT INTO loaded VALUES (?1) ON CONFLICT DO NOTHING";
    return this.#client.run(target, [{ sql, args: [id] }]);
  }

  async #probe({ target }: ClusterNode, i: number): Promise<void> {
    let lastMs = performance.now();
    while (!this.#isOver) {
      if (await accepts(target)) lastMs = performance.now();
      else this.#refusedMs[i] = Math.max(this.#refusedMs[i] ?? 0, performance.now() - lastMs);
      await Bun.sleep(CONNECT_GAP_MS);
    }
  }

  /** On every node, once it has come as far as the others: a strong read. */
  async #rowProblems(): Promise<string[]> {
    const all = this.#nodes.map((node) =>
      until("the rows", async () => {
        const read = await this.#client.run(node.target, [{ sql: "SELECT id FROM loaded" }]);
        return read.kind === "ok" ? (read.results[0] ?? []).map(([id]) => String(id)) : null;
      }),
    );
    return (await Promise.all(all)).flatMap((ids, i) => {
      const there = new Set(ids);
      const missing = this.#acknowledged.filter((id) => !there.has(id));
      return missing.length === 0 ? [] : [`node ${i} lost ${missing.length}: ${missing[0]}`];
    });
  }
}

function said(outcome: SqlOutcome): string {
  if (outcome.kind === "ok") return "ok";
  return outcome.kind === "error"
    ? `${outcome.code}: ${outcome.message}`
    : `${outcome.kind}: ${outcome.reason}`;
}

function accepts({ host, port }: Target): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port, timeout: CONNECT_TIMEOUT_MS });
    const end = (isAccepted: boolean) => {
      socket.destroy();
      resolve(isAccepted);
    };
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
    socket.once("timeout", () => end(false));
  });
}
