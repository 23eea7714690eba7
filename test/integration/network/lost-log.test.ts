/** A node whose log or votes are gone, or older than they were, comes back by itself: as a new replica, which the others let in. */

import { afterAll, expect, test } from "bun:test";
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ClusterNode } from "../../cluster/cluster-node.ts";
import { until } from "../../cluster/processes.ts";
import { Lab } from "./lab.ts";

const lab = new Lab("lost-log");
const cluster = await lab.cluster(3);
const ask = lab.sql(cluster.token);
const local = { headers: { "Mycelium-Consistency": "local" } };
const [first, second, third] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode];
afterAll(() => lab.close());

async function write(node: ClusterNode, sql: string): Promise<void> {
  await until(sql, async () => (await ask(node, sql)).kind === "ok" || null);
}

async function votesAgain(node: ClusterNode): Promise<void> {
  await until("three voters and no fault", async () => {
    const { healthy, raft } = await node.status();
    const voters = raft.groups.map(({ replicas }) => replicas.filter(({ voter }) => voter).length);
    return (healthy && voters.length === 2 && voters.every((count) => count === 3)) || null;
  });
}

async function holds(node: ClusterNode, rowCount: number): Promise<void> {
  await until(`${rowCount} rows`, async () => {
    const told = await ask(node, "SELECT count(*) FROM t", local);
    return (told.kind === "ok" && told.results[0]?.[0]?.[0] === String(rowCount)) || null;
  });
}

function lifeOf(node: ClusterNode): string {
  return readFileSync(join(node.state, "replica.life"), "utf8").trim();
}

test("a log that is gone: the node begins anew as an empty replica, and is needed for a quorum again", async () => {
  await write(first, "CREATE TABLE t (id INTEGER PRIMARY KEY)");
  await write(first, "INSERT INTO t VALUES (1)");
  await third.kill();
  rmSync(join(third.state, "log"), { recursive: true });
  await write(first, "INSERT INTO t VALUES (2)");
  third.start();
  await votesAgain(third);
  await holds(third, 2);
  expect(lifeOf(third)).toBe("1");
  await second.kill();
  await write(third, "INSERT INTO t VALUES (3)");
  second.start();
  await votesAgain(second);
});

test("votes that are gone, with both copies damaged: the same, in the life after", async () => {
  await third.kill();
  writeFileSync(join(third.state, "log", "votes"), new Uint8Array(8_192).fill(0xa5));
  third.start();
  await votesAgain(third);
  await holds(third, 3);
  expect(lifeOf(third)).toBe("2");
  await third.kill();
  third.start();
  await votesAgain(third);
});

test("a state that was put back from an older copy: the others tell, and the node begins anew", async () => {
  const parts = ["log", "mycelium.db", "mycelium.system.db"];
  const copy = join(lab.directory, "copy");
  await third.kill("SIGTERM");
  for (const part of parts) cpSync(join(third.state, part), join(copy, part), { recursive: true });
  const life = Number(lifeOf(third));
  third.start();
  await votesAgain(third);
  await write(first, "INSERT INTO t VALUES (4)");
  await holds(third, 4);
  await third.kill();
  for (const part of parts) {
    rmSync(join(third.state, part), { recursive: true });
    cpSync(join(copy, part), join(third.state, part), { recursive: true });
  }
  third.start();
  await until("the next life", async () => Number(lifeOf(third)) === life + 1 || null);
  await votesAgain(third);
  await holds(third, 4);
  expect(existsSync(join(third.state, "replica.forgotten"))).toBe(false);
});

test("without a quorum of others nothing is begun, and the node says what is lost", async () => {
  await first.kill();
  await third.kill();
  rmSync(join(third.state, "log"), { recursive: true });
  third.start();
  await until("the question", async () =>
    third.lastLog(40).includes("asking the network for this replica's next life") ? true : null,
  );
  expect(lifeOf(third)).toBe("3");
  first.start();
  await votesAgain(third);
  expect(Number(lifeOf(third))).toBeGreaterThan(3);
});

test("no node ended by itself", () => {
  expect(lab.deaths).toEqual([]);
});
