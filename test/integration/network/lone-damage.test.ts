/** A network of one node whose database is damaged: its log holds all that was written, and fills another. */

import { afterAll, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { until } from "../../cluster/processes.ts";
import { damagePages } from "./damage-pages.ts";
import { Lab } from "./lab.ts";

const ROW_COUNT = 300;
const lab = new Lab("lone-damage");
const node = await lab.network("home");
const ask = lab.sql(await node.command("token", "create", "--sql", "rw"));
const all = "SELECT count(*), sum(length(body)), sum(id), max(made) FROM pages";
const before = await (async () => {
  await node.command("sql", "CREATE TABLE pages (id INTEGER PRIMARY KEY, body TEXT, made TEXT)");
  await node.command(
    "sql",
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROW_COUNT})
     INSERT INTO pages SELECT i, printf('%d %s', i, hex(randomblob(500))), datetime('now') FROM n`,
  );
  return ask(node, all);
})();
afterAll(() => lab.close());

async function holdsAll(): Promise<void> {
  await until("all rows", async () => {
    const told = await ask(node, all);
    if (told.kind !== "ok") return null;
    expect(JSON.stringify(told)).toBe(JSON.stringify(before));
    return true;
  });
  await node.untilHealthy();
}

test("pages that nothing has read yet: they are found, and the rows come back", async () => {
  await node.kill("SIGTERM");
  // Not those that a start reads.
  expect(damagePages(join(node.state, "mycelium.db"), 40)).toBeGreaterThan(10);
  node.start();
  await until("the damage", async () =>
    node.lastLog(60).includes("database damaged, it is filled from the log") ? true : null,
  );
  await holdsAll();
  const kept = readdirSync(join(node.state, "mycelium.db"));
  expect(kept.filter((name) => name.startsWith("damaged") || name === "condemned")).toEqual([]);
});

test("the first page, so that the file cannot be opened: the same, also of the network's own shard", async () => {
  for (const database of ["mycelium.db", "mycelium.system.db"]) {
    await node.kill("SIGTERM");
    damagePages(join(node.state, database), 0);
    node.start();
    await holdsAll();
  }
  expect(await ask(node, "INSERT INTO pages (id) VALUES (1000) RETURNING id")).toMatchObject({
    kind: "ok",
    results: [[["1000"]]],
  });
});

test("no node ended by itself", () => {
  expect(lab.deaths).toEqual([]);
});
