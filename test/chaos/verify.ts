/** What must hold after every fault is healed: nothing lost, registers linearizable, replicas equal, no faults told. */

import type { Cluster } from "../cluster/cluster.ts";
import type { ClusterNode } from "../cluster/cluster-node.ts";
import type { SqlClient, SqlRow } from "../cluster/sql-client.ts";
import type { Workload } from "./workload.ts";

const PAGE_ROWS = 4_000;
const POLL_MS = 20;

export interface VerifyOptions {
  readonly cluster: Cluster;
  readonly workload: Workload;
  /** A fault that was mended must be healed by then. */
  readonly healTimeoutMs: number;
  readonly violated: (what: string) => void;
}

/** Waits until every node serves a strong read and has nothing wrong. How long that took, in ms. */
export async function untilHealed(options: VerifyOptions): Promise<number> {
  const { cluster, workload, healTimeoutMs, violated } = options;
  const startedMs = performance.now();
  const missing = new Map<ClusterNode, string>(cluster.nodes.map((node) => [node, "not asked"]));
  while (missing.size > 0) {
    for (const node of missing.keys()) {
      const problem = await problemOf(node, workload.sql);
      if (problem === null) missing.delete(node);
      else missing.set(node, problem);
    }
    if (missing.size > 0 && performance.now() - startedMs > healTimeoutMs) {
      const told = [...missing].map(([node, why]) => `${node.state}: ${why}\n${node.lastLog(3)}`);
      violated(`not healed after ${healTimeoutMs / 1_000} s:\n${told.join("\n")}`);
      break;
    }
    if (missing.size > 0) await Bun.sleep(POLL_MS);
  }
  return performance.now() - startedMs;
}

async function problemOf(node: ClusterNode, sql: SqlClient): Promise<string | null> {
  const answer = await sql.run(node.target, [{ sql: "SELECT count(*) FROM reg" }], {
    timeoutMs: 5_000,
  });
  if (answer.kind !== "ok") return `a strong read: ${JSON.stringify(answer)}`;
  try {
    const status = await node.status();
    const isOpen = status.problems.some(
      // A replica without a vote is not repaired: the next fault may need it.
      ({ severity, what }) => severity === "fault" || what.includes("does not vote yet"),
    );
    if (status.healthy && !isOpen) return null;
    return `status: ${JSON.stringify(status.problems)}`;
  } catch (error) {
    return `status: ${String(error)}`;
  }
}

/** Reads what was inserted since the last time, strongly, and judges it and the ended epochs of registers. */
export async function verifyHistory({ cluster, workload, violated }: VerifyOptions): Promise<void> {
  const { inserts, registers, sql } = workload;
  const beforeMs = performance.now();
  for (let attempt = 0; ; ) {
    const node = cluster.upNodes[attempt % Math.max(1, cluster.upNodes.length)];
    const answer =
      node === undefined
        ? null
        : await sql.run(node.target, [
            {
              sql: `SELECT n, id, body FROM ins WHERE n > ? ORDER BY n LIMIT ${PAGE_ROWS}`,
              args: [inserts.seenUpTo],
            },
          ]);
    if (answer?.kind !== "ok") {
      if (++attempt > 300)
        return violated(`no strong read for the check: ${JSON.stringify(answer)}`);
      await Bun.sleep(100);
      continue;
    }
    const rows = answer.results[0] ?? [];
    const problems = inserts.take(rows.map(insertRowOf));
    for (const problem of problems) violated(problem);
    if (rows.length < PAGE_ROWS) break;
  }
  const lost = inserts.lost(beforeMs);
  if (lost.length > 0)
    violated(`${lost.length} acknowledged inserts are lost: ${lost.slice(0, 20)}`);
  registers.nextEpoch();
  for (const problem of registers.check()) violated(problem);
}

function insertRowOf(row: SqlRow): { n: number; id: string; body: string } {
  return { n: Number(row[0]), id: row[1] ?? "", body: row[2] ?? "" };
}

/**
 * Compares a node's own rows with those that a strong read gave before: null when it has them all, else what is
 * missing yet. Rows that never were, or are not in their place, are a violation.
 */
export async function verifyPrefix(
  { workload, violated }: VerifyOptions,
  node: ClusterNode,
): Promise<string | null> {
  const { inserts, sql } = workload;
  const wanted = inserts.seenUpTo;
  const headers = { "Mycelium-Consistency": "local" };
  let from = 0;
  for (;;) {
    const page = `SELECT n, id, body FROM ins WHERE n > ? AND n <= ? ORDER BY n LIMIT ${PAGE_ROWS}`;
    const answer = await sql.run(node.target, [{ sql: page, args: [from, wanted] }], { headers });
    if (answer.kind !== "ok") return JSON.stringify(answer);
    const rows = (answer.results[0] ?? []).map(insertRowOf);
    const wrong = inserts.firstWrong(from, rows);
    if (wrong !== null) violated(`${node.state} served ${wrong}`);
    if (wrong !== null) return wrong;
    from = rows.at(-1)?.n ?? from;
    if (rows.length < PAGE_ROWS) return from >= wanted ? null : `rows up to ${from} of ${wanted}`;
  }
}

/** With nothing under way: every node's own tables, read locally, must be the same. */
export async function verifyReplicas(options: VerifyOptions): Promise<void> {
  const { cluster, workload, healTimeoutMs, violated } = options;
  const until = performance.now() + healTimeoutMs;
  for (;;) {
    const dumps = await Promise.all(cluster.nodes.map((node) => dumpOf(node, workload.sql)));
    if (dumps.every((dump) => dump === dumps[0] && !dump.startsWith("!"))) return;
    if (performance.now() > until) {
      return violated(`replicas differ: ${JSON.stringify(dumps, null, 1)}`);
    }
    await Bun.sleep(100);
  }
}

/** A digest of the tables as the node itself holds them; begins with "!" when it did not say. */
async function dumpOf(node: ClusterNode, sql: SqlClient): Promise<string> {
  const hash = new Bun.CryptoHasher("sha256");
  let rowCount = 0;
  for (const page of [
    { sql: "SELECT n, id, body FROM ins WHERE n > ? ORDER BY n", from: "0", column: 0 },
    { sql: "SELECT k, v FROM reg WHERE k > ? ORDER BY k", from: "", column: 0 },
    {
      sql: "SELECT name, sql FROM sqlite_schema WHERE name > ? ORDER BY name",
      from: "",
      column: 0,
    },
    {
      sql: "SELECT name, seq FROM sqlite_sequence WHERE name > ? ORDER BY name",
      from: "",
      column: 0,
    },
  ]) {
    let from: string | number = page.from === "0" ? 0 : page.from;
    for (;;) {
      const statement = { sql: `${page.sql} LIMIT ${PAGE_ROWS}`, args: [from] };
      const headers = { "Mycelium-Consistency": "local" };
      const answer = await sql.run(node.target, [statement], { headers });
      if (answer.kind !== "ok") return `! ${JSON.stringify(answer)}`;
      const rows = answer.results[0] ?? [];
      hash.update(JSON.stringify(rows));
      rowCount += rows.length;
      if (rows.length < PAGE_ROWS) break;
      const last = rows.at(-1)?.[page.column] ?? "";
      from = typeof from === "number" ? Number(last) : last;
    }
  }
  return `${rowCount} rows ${hash.digest("hex")}`;
}
