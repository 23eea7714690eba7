/** A node of this build takes over what a node of an older release left behind when it was killed. */

import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ClusterNode } from "../cluster/cluster-node.ts";
import { until } from "../cluster/processes.ts";
import { freePorts } from "../integration/install/free-ports.ts";
import { Lab } from "../integration/network/lab.ts";
import { QUERIES, releases, type StateFacts, stateFiles } from "./fixtures.ts";
import { unpackState } from "./state-archive.ts";

const lab = new Lab("states");
afterAll(() => lab.close());
const local = { headers: { "Mycelium-Consistency": "local" } };

async function takenOver(version: string, name: string) {
  const { archive, about } = stateFiles(version, name);
  const facts: StateFacts = JSON.parse(readFileSync(about, "utf8"));
  const state = join(lab.directory, `${version}-${name}`);
  unpackState(new Uint8Array(readFileSync(archive)), state);
  const { port, p2pPort } = await freePorts();
  const place = { host: "127.0.0.1", httpPort: port, peerPort: p2pPort, gossipPort: p2pPort + 1 };
  const ports = {
    MYCELIUM_PORT: String(place.httpPort),
    MYCELIUM_P2P_PORT: String(place.peerPort),
    MYCELIUM_GOSSIP_PORT: String(place.gossipPort),
  };
  const node = lab.machineAt({ ...place, enter: [] }, `${version}-${name}`, ports, state);
  node.start();
  return { node, facts, ask: lab.sql(facts.token) };
}

async function resultsOf(
  node: ClusterNode,
  ask: ReturnType<Lab["sql"]>,
  options = {},
): Promise<unknown[]> {
  const results: unknown[] = [];
  for (const sql of QUERIES) {
    const told = await ask(node, sql, options);
    results.push(told.kind === "ok" ? told.results : told);
  }
  return results;
}

describe.each([...releases()])("the state of release %s", (version) => {
  test("a network of one: every row and the rollout are there, it goes on writing, also after a restart", async () => {
    const { node, facts, ask } = await takenOver(version, "lone");
    const { node: self, network } = await node.untilHealthy();
    expect([self.id, network.id]).toEqual([facts.node, facts.network]);
    const plan = await until("the rollout", async () => (await node.status()).update?.plan ?? null);
    expect(plan).toMatchObject({
      kind: "update",
      version: "0.2.0",
      decision: { result: "decided", participants: [{ part: "for" }] },
    });
    expect(await resultsOf(node, ask)).toEqual([...facts.results]);
    expect(await ask(node, "INSERT INTO notes (text) VALUES ('later')")).toMatchObject({
      kind: "ok",
    });
    await node.kill("SIGTERM");
    node.start();
    const { raft } = await node.untilHealthy();
    expect(raft.term).toBeGreaterThan(facts.term);
    // The client still has its connection to the process before.
    const logged = await until("an answer", async () => {
      const told = await ask(node, "SELECT text, what FROM notes JOIN log ON what = text");
      return told.kind === "ok" ? told.results : null;
    });
    expect(JSON.stringify(logged)).toContain('["later","later"]');
  });

  test("one of three, alone: it serves what it has and says what is missing", async () => {
    const { node, facts, ask } = await takenOver(version, "one-of-three");
    const status = await until("its first answer", () => node.status());
    expect(status.node.id).toBe(facts.node);
    expect(status.peers.map(({ id }) => id).sort()).toEqual([...facts.peers]);
    await until("what it has", async () => {
      const found = await resultsOf(node, ask, local);
      return Bun.deepEquals(found, [...facts.results]) || null;
    });
    const { healthy, problems } = await node.status();
    expect(healthy).toBe(false);
    expect(problems[0]?.what).toContain("has no leader");
  });
});

test("no node ended by itself", () => {
  expect(lab.deaths).toEqual([]);
});
