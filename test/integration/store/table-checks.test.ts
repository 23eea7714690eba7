/** Three nodes of the real program on SQLite: rows change in their files behind their backs, and are mended. */

import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Cluster } from "../../cluster/cluster.ts";
import type { ClusterNode } from "../../cluster/cluster-node.ts";
import { until } from "../../cluster/processes.ts";
import { changeInSilence, databaseFile } from "../../cluster/silent-change.ts";
import { SqlClient } from "../../cluster/sql-client.ts";
import { loopbackNetwork } from "../../cluster/test-network.ts";

setDefaultTimeout(120_000);

const REPOSITORY = resolve(import.meta.dir, "../../..");
const SETTINGS = { MYCELIUM_CHECK_INTERVAL: "1s", MYCELIUM_MDNS: "off" };
const RIGHT = "as written";
const SQL = "UPDATE words SET word = 'changed by nobody' WHERE id = 700";

let directory: string;
let cluster: Cluster;
let client: SqlClient;
const deaths: string[] = [];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "mycelium-checks-"));
  const executable = join(directory, "mycelium");
  const main = join(REPOSITORY, "src/main.ts");
  writeFileSync(executable, `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`, {
    mode: 0o755,
  });
  cluster = await Cluster.form({
    executable,
    directory,
    network: await loopbackNetwork(3),
    settings: SETTINGS,
    onDeath: (what) => void deaths.push(what),
  });
  client = new SqlClient(() => cluster.token);
  await write("CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT NOT NULL)");
  await write(
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) " +
      `INSERT INTO words SELECT i, '${RIGHT}' FROM n`,
  );
});
afterAll(async () => {
  client.close();
  await cluster.stop();
  cluster.network.close();
  rmSync(directory, { recursive: true });
  expect(deaths).toEqual([]);
});

async function write(sql: string): Promise<void> {
  const node = cluster.nodes[0] as ClusterNode;
  expect(await client.run(node.target, [{ sql }])).toMatchObject({ kind: "ok" });
}

/** The changed row as one node has it; null while it does not say. */
async function wordAt(node: ClusterNode): Promise<string | null> {
  const outcome = await client.run(
    node.target,
    [{ sql: "SELECT word FROM words WHERE id = 700" }],
    { headers: { "mycelium-consistency": "local" } },
  );
  return outcome.kind === "ok" ? (outcome.results[0]?.[0]?.[0] ?? null) : null;
}

function logOf(node: ClusterNode): string {
  return readFileSync(`${node.state}.log`, "utf8");
}

/** One that has the rows: an acknowledged write may reach it later than its quorum. */
async function follower(): Promise<ClusterNode> {
  const leader = await until("a leader", () => cluster.leader());
  const node = cluster.nodes.find((one) => one !== leader) as ClusterNode;
  await until("the rows", async () => ((await wordAt(node)) === RIGHT ? true : null));
  return node;
}

async function untilMended(node: ClusterNode): Promise<void> {
  await until("the right row", async () => ((await wordAt(node)) === RIGHT ? true : null));
  await until("health everywhere", async () => {
    const all = await Promise.all(cluster.nodes.map((each) => each.status()));
    return all.every(({ healthy }) => healthy) ? true : null;
  });
}

test("a row that changed in a stopped node's file is found and mended", async () => {
  const node = await follower();
  await node.kill("SIGTERM");
  expect(changeInSilence(node.state, SQL)).toBe(1);
  node.start();
  await until("a status", () => node.status());
  await until("a resync", async () =>
    logOf(node).includes("differs from the majority's") ? true : null,
  );
  await untilMended(node);
});

test("a row that changed in the running leader's file is mended, and writes go on", async () => {
  const leader = await until("a leader", () => cluster.leader());
  expect(changeInSilence(leader.state, SQL)).toBe(1);
  await until("a resync", async () =>
    logOf(leader).includes("differs from the majority's") ? true : null,
  );
  await untilMended(leader);
  await write("INSERT INTO words VALUES (2000, 'after')");
});

test("a page that was changed without its checksum is found where nobody reads it", async () => {
  const node = await follower();
  await node.kill("SIGTERM");
  const db = new Database(databaseFile(node.state));
  expect(db.run(SQL).changes).toBe(1);
  db.run("PRAGMA wal_checkpoint(TRUNCATE)");
  db.close();
  const before = logOf(node).length;
  node.start();
  await until("a status", () => node.status());
  await until("a resync", async () =>
    logOf(node).slice(before).includes("store resync started") ? true : null,
  );
  await untilMended(node);
});
