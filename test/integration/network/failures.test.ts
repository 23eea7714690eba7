/** Three nodes that are killed, stopped and told to end, under a steady load of writes: nothing acknowledged is lost. */

import { afterAll, describe, expect, test } from "bun:test";
import type { ClusterNode } from "../../cluster/cluster-node.ts";
import { until } from "../../cluster/processes.ts";
import { SqlClient, type SqlOutcome } from "../../cluster/sql-client.ts";
import { Lab } from "./lab.ts";
import { SteadyLoad } from "./steady-load.ts";

/** Over the entries a leader keeps behind its snapshot and the least it cuts at once (4,096 and 1,024). */
const ENTRIES_TO_CUT = 5_500;
/** Over the time between two checkpoints, after which a log is cut (30 s). */
const CUT_TIMEOUT_MS = 60_000;

const lab = new Lab("failures");
const cluster = await lab.cluster(3);
const load = new SteadyLoad(cluster);
const ask = lab.sql(cluster.token);
const local = { headers: { "Mycelium-Consistency": "local" } };
afterAll(async () => {
  await load.stop();
  await lab.close();
});

async function leader(): Promise<ClusterNode> {
  return until("a leader", () => cluster.leader());
}

function rowsOf(told: SqlOutcome): string[] {
  if (told.kind !== "ok") throw new Error(`the statement failed: ${JSON.stringify(told)}`);
  return (told.results[0] ?? []).map(([value]) => value ?? "");
}

/** What was acknowledged before is in each node's own state soon, and in a strong read through it, once. */
async function nothingLost(): Promise<void> {
  for (const node of cluster.nodes) {
    const acknowledged = [...load.acknowledged];
    await until(`the state of ${node.state}`, async () => {
      const [count = "0"] = rowsOf(await ask(node, "SELECT count(*) FROM load", local));
      return Number(count) >= acknowledged.length || null;
    });
    const found = rowsOf(await ask(node, "SELECT id FROM load"));
    const there = new Set(found);
    expect(there.size).toBe(found.length);
    expect(acknowledged.filter((id) => !there.has(id))).toEqual([]);
  }
}

describe("under a steady load of writes", () => {
  test("kill -9 of the leader: the others elect one, writes go on, it comes back and catches up", async () => {
    await load.start();
    await load.more(200);
    const killed = await leader();
    const { term } = (await killed.status()).raft;
    await killed.kill();
    await load.more(200);
    expect((await (await leader()).status()).raft.term).toBeGreaterThan(term);
    killed.start();
    await until("its first answer", () => killed.status());
    await load.more(50);
    await nothingLost();
  });

  test("SIGTERM of the leader: another leads at once, and it ends with nothing of its own accord", async () => {
    const stopped = await leader();
    await stopped.kill("SIGTERM");
    await load.more(100);
    expect(stopped.lastLog(1)).toContain('"node stopped"');
    expect((await leader()).id).not.toBe(stopped.id);
    stopped.start();
    await until("its first answer", () => stopped.status());
    await nothingLost();
  });

  test("a node killed for so long that the log was cut comes back by a snapshot", async () => {
    const behind = cluster.nodes.find((node) => node !== cluster.nodes[0]) as ClusterNode;
    const last = lastIndex(await behind.status());
    await behind.kill();
    await load.stop();
    const others = cluster.upNodes;
    const client = new SqlClient(() => cluster.token);
    const insert = { sql: "UPDATE load SET id = id WHERE rowid = 1" };
    for (let sent = 0; sent < ENTRIES_TO_CUT; sent += 100) {
      await client.run(others[0]!.target, Array<typeof insert>(100).fill(insert));
    }
    client.close();
    for (const node of others) {
      await until("a cut log", async () => (await firstIndex(node)) > last || null, CUT_TIMEOUT_MS);
    }
    behind.start();
    await until("its first answer", () => behind.status());
    await nothingLost();
    expect(behind.lastLog(40)).toContain("snapshot installed");
  }, 120_000);
});

describe("a minority", () => {
  test("serves local reads, refuses writes and strong reads with the reason, and heals by itself", async () => {
    const [alone, ...others] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode];
    for (const node of others) node.pause();
    await until("no leader", async () => (await alone.status()).raft.leader === null || null);
    const there = new Set(rowsOf(await ask(alone, "SELECT id FROM load", local)));
    expect([...load.acknowledged].filter((id) => !there.has(id))).toEqual([]);
    const strong = ["SELECT count(*) FROM load", "INSERT INTO load VALUES ('x')"];
    for (const refused of await Promise.all(strong.map((sql) => ask(alone, sql)))) {
      expect(refused).toMatchObject({ kind: "error", code: "NO_QUORUM" });
      expect(JSON.stringify(refused)).toContain("retry when the network is whole, or read with");
    }
    const { healthy, problems } = await alone.status();
    expect(healthy).toBe(false);
    expect(problems[0]?.what).toContain("has no leader: writes and strong reads are refused");
    expect(problems[0]?.why).toContain("needed more than half");
    const ready = await fetch(`http://127.0.0.1:${alone.target.port}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.text()).toContain("has no leader");
    for (const node of others) node.resume();
    await until("a write", async () => {
      const told = await ask(alone, "INSERT INTO load VALUES ('healed')");
      return told.kind === "ok" || null;
    });
    await until("health", async () => (await alone.status()).healthy || null);
    await nothingLost();
  });
});

test("no node ended by itself", () => {
  expect(lab.deaths).toEqual([]);
});

function lastIndex({ raft }: Awaited<ReturnType<ClusterNode["status"]>>): number {
  return raft.groups.find(({ id }) => id === "main")?.last ?? 0;
}

async function firstIndex(node: ClusterNode): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${node.target.port}/metrics`);
  const match = /^mycelium_raft_first_index\{group="main"\} (\d+)$/m.exec(await answer.text());
  return Number(match?.[1] ?? 0);
}
