/** A network in the middle of an update: two nodes of this release and one of the next, whose protocol is newer, too. */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { VERSION } from "../../src/domain/api/index.ts";
import { until } from "../cluster/processes.ts";
import { Lab, type Machine } from "../integration/network/lab.ts";
import { isTrial, nextVersion, otherRelease } from "./other-release.ts";

/** Whoever was killed, or refused a link, is dialled again soon. */
const SOON = { MYCELIUM_REPLICATION_RETRY_MAX: "1s" };
const NEWER = {
  ...SOON,
  MYCELIUM_PROTOCOL_VERSION: "1.1.0",
  MYCELIUM_MIN_PROTOCOL_VERSION: "1.0.0",
};
const TOO_NEW = {
  ...SOON,
  MYCELIUM_PROTOCOL_VERSION: "1.2.0",
  MYCELIUM_MIN_PROTOCOL_VERSION: "1.1.0",
};
const local = { headers: { "Mycelium-Consistency": "local" } };

const lab = new Lab("mixed");
let newer: Machine;
let older: readonly [Machine, Machine];
let ask: ReturnType<Lab["sql"]>;
let inserted = 0;
afterAll(() => lab.close());

async function write(node: Machine, sql: string): Promise<void> {
  await until(sql, async () => (await ask(node, sql)).kind === "ok" || null);
}

async function insert(node: Machine): Promise<void> {
  await write(node, "INSERT INTO t (r) VALUES (random())");
  inserted++;
}

/** What is in the node's own copy. */
async function holds(node: Machine, rowCount: number): Promise<void> {
  await until(`${rowCount} rows in ${node.state}`, async () => {
    const told = await ask(node, "SELECT count(*) FROM t", local);
    return (told.kind === "ok" && told.results[0]?.[0]?.[0] === String(rowCount)) || null;
  });
}

/** The file of shard `main`; what the log still has behind it is gone with it. */
function damageDatabase(state: string): void {
  const directory = join(state, "mycelium.db");
  for (const name of readdirSync(directory).filter((one) => one.includes(".sqlite"))) {
    writeFileSync(join(directory, name), new Uint8Array(8_192).fill(0xa5));
  }
}

async function whole(): Promise<void> {
  for (const node of [newer, ...older]) {
    await until(`a whole network, seen from ${node.state}`, async () => {
      const { healthy, raft, peers } = await node.status();
      const voters = raft.groups.map(({ replicas }) => replicas.filter((one) => one.voter).length);
      return (healthy && peers.length === 2 && voters.every((count) => count === 3)) || null;
    });
  }
}

beforeAll(async () => {
  newer = await lab.machine("newer", NEWER, otherRelease(lab.directory));
  older = [await lab.machine("older-1", SOON), await lab.machine("older-2", SOON)];
  await newer.command("init", "--network", "mixed", ...newer.portFlags);
  newer.start();
  await newer.untilHealthy();
  const invite = await newer.command("token", "create", "--uses", "2");
  for (const node of older) {
    await node.command("join", invite, ...node.portFlags);
    node.start();
  }
  await whole();
  ask = lab.sql(await older[0].command("token", "create", "--sql", "rw"));
});

test("older nodes join a newer one, and each knows what the other runs", async () => {
  const versions = async (node: Machine) => (await node.status()).peers.map((peer) => peer.version);
  const { version: others } = (await newer.status()).node;
  if (!isTrial) expect(others).toBe(nextVersion());
  expect(await versions(newer)).toEqual([VERSION, VERSION]);
  expect((await versions(older[0])).sort()).toEqual([VERSION, others].sort());
});

test("they write through each other, under a leader of either release", async () => {
  const [first, second] = older;
  await write(
    first,
    "CREATE TABLE t (id INTEGER PRIMARY KEY, at TEXT DEFAULT CURRENT_TIMESTAMP, r)",
  );
  for (const node of [newer, first, second]) {
    await insert(node);
  }
  for (const node of [newer, first, second]) await holds(node, inserted);
  const before = (await newer.status()).raft.term;
  await newer.kill();
  await insert(first);
  const { raft } = await second.status();
  expect(raft.term).toBeGreaterThan(before);
  expect([first.id, second.id]).toContain(raft.leader ?? "");
  newer.start();
  await holds(newer, inserted);
  await whole();
});

test("with a damaged database each is filled from the others", async () => {
  // The newer one by an older, certainly; the older one by either.
  for (const node of [newer, older[0]]) {
    await node.kill();
    damageDatabase(node.state);
    node.start();
    await insert(older[1]);
    await until("a snapshot", async () => node.lastLog(60).includes("snapshot installed") || null);
    for (const one of [newer, ...older]) await holds(one, inserted);
  }
  await whole();
});

test("one that needs a newer protocol than they speak gets no link, and both are told why", async () => {
  const [first, second] = older;
  await second.kill();
  const apart = lab.machineAt(second.place, "too-new", TOO_NEW, second.state);
  apart.start();
  const reason = async (node: Machine, peer: string) =>
    (await node.status()).peers.find(({ id }) => id === peer)?.lastError;
  await until(
    "the reason on the newer side",
    async () =>
      /peer speaks protocol 1\.0\.0, this node needs at least 1\.1\.0; update the peer/.test(
        (await reason(apart, first.id)) ?? "",
      ) || null,
  );
  await until(
    "the reason on the older side",
    async () =>
      /needs at least 1\.1\.0; update this node/.test((await reason(first, second.id)) ?? "") ||
      null,
  );
  await insert(first);
  await apart.kill();
  second.start();
  await whole();
  await holds(second, inserted);
});

test("no node ended by itself", () => {
  expect(lab.deaths).toEqual([]);
});
