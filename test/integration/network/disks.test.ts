/** Full disks and damaged ones, in three nodes: writes are refused or go on, reads go on, and all is mended by itself. */

import { afterAll, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { SmallDisks, smallDisksProblem } from "../../chaos/small-disks.ts";
import { until } from "../../cluster/processes.ts";
import { damagePages } from "./damage-pages.ts";
import { Lab } from "./lab.ts";

const ROW_COUNT = 400;

const lab = new Lab("disks");
const local = { headers: { "Mycelium-Consistency": "local" } };
let disks: SmallDisks | null = null;
afterAll(async () => {
  await lab.close(() => disks?.unmount());
});

test("a full disk: writes are refused with SQLITE_FULL, reads go on, and it recovers when there is room", async () => {
  const problem = smallDisksProblem();
  if (problem !== null) return console.log(`not tested: ${problem}`);
  mkdirSync(join(lab.directory, "disk"));
  disks = new SmallDisks(join(lab.directory, "disk"), 1);
  const node = await lab.network("home", {}, disks.state(0));
  const ask = lab.sql(await node.command("token", "create", "--sql", "rw"));
  await node.command("sql", "CREATE TABLE notes (body)");
  await node.command("sql", "INSERT INTO notes VALUES ('before')");
  // Below the reserve first: what is filled to the last byte at once may meet a write that is committed already.
  for (const freeBytes of [60 << 20, 0]) {
    disks.fill(0, freeBytes);
    const refused = await until("a refusal", async () => {
      const told = await ask(node, "INSERT INTO notes VALUES ('full')");
      return told.kind === "error" ? told : null;
    });
    expect(refused.code).toBe("SQLITE_FULL");
    expect(refused.message).toMatch(/free|room|space/);
    for (const options of [{}, local]) {
      const read = await ask(node, "SELECT count(*) FROM notes WHERE body = 'before'", options);
      expect(read).toMatchObject({ kind: "ok", results: [[["1"]]] });
    }
    const { healthy, problems } = await node.status();
    expect(healthy).toBe(false);
    expect(problems.map(({ what }) => what).join()).toContain("disk");
    const shell = await node.run(["sql", "INSERT INTO notes VALUES ('full')"]);
    expect(shell).toMatchObject({ status: 1, out: "" });
    expect(shell.error).toContain("SQLITE_FULL");
  }
  disks.empty(0);
  await until("a write", async () => {
    const told = await ask(node, "INSERT INTO notes VALUES ('after')");
    return told.kind === "ok" || null;
  });
  await node.untilHealthy();
  await node.kill("SIGTERM");
  expect(lab.deaths).toEqual([]);
});

test("damaged database pages of a stopped node are mended from its peers and never served", async () => {
  const cluster = await lab.cluster(3);
  const ask = lab.sql(cluster.token);
  const [first, damaged] = cluster.nodes as [(typeof cluster.nodes)[0], (typeof cluster.nodes)[0]];
  await first.command("sql", "CREATE TABLE pages (id INTEGER PRIMARY KEY, body TEXT)");
  await first.command(
    "sql",
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROW_COUNT})
     INSERT INTO pages SELECT i, printf('%d %s', i, hex(zeroblob(500))) FROM n`,
  );
  const all = "SELECT count(*), sum(length(body)), sum(id) FROM pages";
  const whole = await ask(first, all);
  await until("the rows on the node", async () => {
    const told = await ask(damaged, all, local);
    return JSON.stringify(told) === JSON.stringify(whole) || null;
  });
  // A graceful end puts all into the database's own file.
  await damaged.kill("SIGTERM");
  const pageCount = damagePages(join(damaged.state, "mycelium.db"));
  expect(pageCount).toBeGreaterThan(10);
  damaged.start();
  await until("the whole state again", async () => {
    const told = await ask(damaged, all, local);
    if (told.kind === "ok" && told.results[0]?.[0]?.[0] === String(ROW_COUNT)) {
      expect(told.results).toEqual(whole.kind === "ok" ? whole.results : []);
      return true;
    }
    return null;
  });
  await until("health", async () => (await damaged.status()).healthy || null);
  const written = await ask(damaged, "INSERT INTO pages VALUES (1000, 'after') RETURNING id");
  expect(written).toMatchObject({ kind: "ok", results: [[["1000"]]] });
  expect(lab.deaths).toEqual([]);
});
