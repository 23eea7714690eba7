/** A node that is told that its state was put back from an older copy, at the very moment when its disk is full. */

import { afterAll, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { SmallDisks, smallDisksProblem } from "../../chaos/small-disks.ts";
import type { ClusterNode } from "../../cluster/cluster-node.ts";
import { until } from "../../cluster/processes.ts";
import { Lab } from "./lab.ts";

const PARTS = ["log", "mycelium.db", "mycelium.system.db"];
const LOCAL = { headers: { "Mycelium-Consistency": "local" } };
const lab = new Lab("lost-log-full");
let disks: SmallDisks | null = null;
afterAll(() => lab.close(() => disks?.unmount()));

test("begins anew as an empty replica all the same, and is whole when there is room", async () => {
  const problem = smallDisksProblem();
  if (problem !== null) return console.log(`not tested: ${problem}`);
  const place = join(lab.directory, "disk");
  mkdirSync(place);
  disks = new SmallDisks(place, 1);
  const cluster = await lab.cluster(3, {}, [disks.state(0)]);
  const ask = lab.sql(cluster.token);
  const [first, second, third] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode];
  const others = [first, second];
  const isTrue = (what: string, is: () => Promise<boolean>) =>
    until(what, async () => (await is()) || null);
  const write = (sql: string) => isTrue(sql, async () => (await ask(first, sql)).kind === "ok");
  const holdsTheRow = () =>
    isTrue("the row on the third", async () => {
      const told = await ask(third, "SELECT count(*) FROM t", LOCAL);
      return told.kind === "ok" && told.results[0]?.[0]?.[0] === "1";
    });
  await write("CREATE TABLE t (id INTEGER PRIMARY KEY)");
  await third.kill("SIGTERM");
  const copy = join(lab.directory, "copy");
  for (const part of PARTS) cpSync(join(third.state, part), join(copy, part), { recursive: true });
  third.start();
  await write("INSERT INTO t VALUES (1)");
  await holdsTheRow();

  await third.kill();
  for (const part of PARTS) {
    rmSync(join(third.state, part), { recursive: true });
    cpSync(join(copy, part), join(third.state, part), { recursive: true });
  }
  // It starts, and nobody tells it anything before its disk is full.
  for (const node of others) node.pause();
  third.start();
  await until("an answer of the third", () => third.status());
  disks.fill(0, 0);
  for (const node of others) node.resume();
  await until("the next life", async () => existsSync(join(third.state, "replica.life")) || null);
  disks.empty(0);
  await isTrue("three voters and no fault", async () => {
    const { healthy, raft } = await third.status();
    return healthy && raft.groups.every(({ replicas }) => replicas.every(({ voter }) => voter));
  });
  await holdsTheRow();
  expect(readFileSync(join(third.state, "replica.life"), "utf8")).toBe("1\n");
  expect(existsSync(join(third.state, "replica.forgotten"))).toBe(false);
  expect(lab.deaths).toEqual([]);
}, 180_000);
