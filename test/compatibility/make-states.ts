/** Runs real networks of this build and keeps what their nodes leave on disk when they are killed. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ClusterNode } from "../cluster/cluster-node.ts";
import { until } from "../cluster/processes.ts";
import { Lab, type Machine } from "../integration/network/lab.ts";
import { ReleaseLab } from "../integration/release/release-lab.ts";
import { QUERIES, type StateFacts, stateFiles } from "./fixtures.ts";
import { packState } from "./state-archive.ts";

/** What people make in SQLite: every kind of table, values of every type, and what is pinned in the log. */
const PROGRAM = [
  "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL, real REAL, content BLOB)",
  "CREATE TABLE log (n INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT, at TEXT DEFAULT CURRENT_TIMESTAMP)",
  "CREATE TABLE pairs (a TEXT, b INTEGER, c TEXT AS (a || b), PRIMARY KEY (a, b)) WITHOUT ROWID, STRICT",
  "CREATE TABLE loose (x, y)",
  "CREATE UNIQUE INDEX loose_x ON loose (x)",
  "CREATE VIRTUAL TABLE words USING fts5(text)",
  "CREATE TRIGGER noted AFTER INSERT ON notes BEGIN INSERT INTO log (what) VALUES (new.text); END",
  "CREATE VIEW counted AS SELECT count(*) AS count FROM notes",
  "INSERT INTO notes (text, real, content) VALUES ('größer', 1.5, x'00ff'), ('two', NULL, randomblob(4))",
  "INSERT INTO pairs (a, b) VALUES ('a', 1), ('a', 9007199254740993)",
  "INSERT INTO loose VALUES (random(), hex(randomblob(8))), (1, datetime('now'))",
  "INSERT INTO words VALUES ('a network that runs itself')",
  "UPDATE notes SET real = 2.5 WHERE id = 2",
  "DELETE FROM log WHERE n = 1",
] as const;

export async function writeStates(version: string): Promise<void> {
  const lab = new Lab("fixtures");
  try {
    await writeLone(lab, version);
    await writeOneOfThree(lab, version);
    if (lab.deaths.length > 0) throw new Error(lab.deaths.join("\n"));
  } finally {
    await lab.close();
  }
}

/** A network of one that decided on a release which nobody could install: the node runs without slots. */
async function writeLone(lab: Lab, version: string): Promise<void> {
  const releases = new ReleaseLab();
  const architectures = [process.arch === "arm64" ? "arm64" : "x64"] as const;
  await releases.release("0.2.0", { nowMs: Date.now(), architectures, cores: coresOf(releases) });
  const node = await lab.network("lone", {
    MYCELIUM_UPDATE_URL: releases.out,
    MYCELIUM_UPDATE_ROOT: join(releases.out, "root.json"),
    MYCELIUM_UPDATE_APPROVAL: "operator",
  });
  const token = await prepared(lab, node);
  for (const words of [["check"], ["plan", "0.2.0"], ["approve", "0.2.0"]]) {
    await node.command("update", ...words);
  }
  await until("the decision", async () => {
    const { update } = await node.status();
    return update?.plan?.decision?.result === "decided" || null;
  });
  await keep(lab, node, { version, name: "lone", token });
}

function coresOf({ folder }: ReleaseLab): Record<string, string> {
  const core = join(folder, "core");
  writeFileSync(core, "a core that nobody runs\n".repeat(20_000));
  return { [process.arch === "arm64" ? "arm64" : "x64"]: core };
}

/** A follower of three: what it has came over links, and it cannot write alone. */
async function writeOneOfThree(lab: Lab, version: string): Promise<void> {
  const cluster = await lab.cluster(3);
  const [first] = cluster.nodes as [ClusterNode];
  const token = await prepared(lab, first);
  const leader = await until("a leader", () => cluster.leader());
  const follower = cluster.nodes.find((node) => node !== leader);
  if (follower === undefined) throw new Error("a network of three has two that follow");
  await keep(lab, follower, { version, name: "one-of-three", token });
}

/** Makes the tables; the token is one of this network. */
async function prepared(lab: Lab, node: ClusterNode): Promise<string> {
  const token = await node.command("token", "create", "--sql", "rw");
  const ask = lab.sql(token);
  for (const sql of PROGRAM) {
    const told = await ask(node, sql);
    if (told.kind !== "ok") throw new Error(`${sql}: ${JSON.stringify(told)}`);
  }
  return token;
}

/** Kills the node once it has all, and keeps its directory with what it is about. */
async function keep(
  lab: Lab,
  node: ClusterNode | Machine,
  { version, name, token }: { version: string; name: string; token: string },
): Promise<void> {
  const ask = lab.sql(token);
  const rows: string[] = [];
  for (const sql of QUERIES) {
    // A strong read first: then the node itself has everything.
    for (const headers of [{}, { "Mycelium-Consistency": "local" }]) {
      const told = await ask(node, sql, { headers });
      if (told.kind !== "ok") throw new Error(`${sql}: ${JSON.stringify(told)}`);
      if ("Mycelium-Consistency" in headers) rows.push(JSON.stringify(told.results));
    }
  }
  const status = await node.status();
  await node.kill();
  const facts: StateFacts = {
    node: status.node.id,
    network: status.network.id,
    token,
    peers: status.peers.map(({ id }) => id).sort(),
    term: status.raft.term,
    results: rows.map((text) => JSON.parse(text)),
  };
  const { archive, about } = stateFiles(version, name);
  const packed = packState(node.state);
  writeFileSync(archive, packed);
  writeFileSync(about, `${JSON.stringify(facts, null, 1)}\n`);
  console.log(`${archive}: ${packed.length} bytes`);
}
