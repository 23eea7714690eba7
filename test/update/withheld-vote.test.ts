/** Real nodes whose first leader keeps one member's vote on a release out of the log. */

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { until } from "../cluster/processes.ts";
import { Lab, type Machine } from "../integration/network/lab.ts";
import { trialReleases } from "./releases.ts";

setDefaultTimeout(300_000);

/** Two deadlines of ten seconds, an election, and time for a busy machine. */
const VOTED_OUT_MS = 120_000;
/** All decide; three of them vote in Raft. */
const NODE_COUNT = 4;
const lab = new Lab("withheld");
const releases = join(lab.directory, "published");
const victimFile = join(lab.directory, "victim");
const SETTINGS = { MYCELIUM_UPDATE_URL: releases, MYCELIUM_UPDATE_CHECK_INTERVAL: "1s" };
let made: string;
const nodes: Machine[] = [];
afterAll(() => lab.close());

/** The program from this checkout, with the leader that lies. */
function liar(): string {
  const path = join(lab.directory, "liar");
  const main = resolve(import.meta.dir, "withholding-node.ts");
  const script = `#!/bin/sh\nWITHHOLDS_FROM='${victimFile}' exec '${process.execPath}' '${main}' "$@"\n`;
  writeFileSync(path, script, { mode: 0o755 });
  return path;
}

async function leaderOfSystem(node: Machine): Promise<string | null> {
  const { raft } = await node.status();
  return raft.groups.find(({ id }) => id === "system")?.leader ?? null;
}

beforeAll(async () => {
  const { directory, root } = await trialReleases(lab.directory, [{ version: "0.2.0" }]);
  made = directory;
  const settings = { ...SETTINGS, MYCELIUM_UPDATE_ROOT: join(lab.directory, "root.json") };
  writeFileSync(settings.MYCELIUM_UPDATE_ROOT, await Bun.file(root).bytes());
  const first = await lab.machine("node-0", settings, liar());
  await first.command("init", "--network", "withheld", ...first.portFlags);
  first.start();
  await first.untilHealthy();
  nodes.push(first);
  const invite = await first.command("token", "create", "--uses", "3");
  for (let i = 1; i < NODE_COUNT; i++) {
    const node = await lab.machine(`node-${i}`, settings);
    await node.command("join", invite, ...node.portFlags);
    node.start();
    nodes.push(node);
  }
  for (const node of nodes) {
    await until(`a whole network, seen from ${node.state}`, async () => {
      const { healthy, peers, raft } = await node.status();
      const isWhole = raft.groups.every(({ replicas }) => replicas.length === NODE_COUNT);
      return (healthy && isWhole && peers.every(({ link }) => link === "up")) || null;
    });
  }
});

test("it is voted out of its office by those who were given the vote, and a decision is made", async () => {
  const [first, second] = nodes as [Machine, Machine];
  expect(await leaderOfSystem(first)).toBe(first.id);
  writeFileSync(victimFile, second.id);
  renameSync(made, releases);
  await until(
    "another leader",
    async () => {
      const leader = await leaderOfSystem(second);
      return nodes.some(({ id }) => id === leader && id !== first.id) || null;
    },
    VOTED_OUT_MS,
  );
  const told = nodes.filter((node) => node.lastLog(2_000).includes("not following the leader"));
  expect(told.length).toBeGreaterThan(1);
  expect(told).not.toContain(first);
  await until("a decision", async () => {
    const { plan } = await second.update();
    return plan?.decision?.result === "decided" || null;
  });
});

test("no node ended by itself", () => {
  expect(lab.deaths).toEqual([]);
});
