/**
 * A network of two finds a release, decides on it, and updates itself. A bad release goes no further than the first
 * node; mended and planned again, it goes to both.
 */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { VERSION } from "../../../src/domain/api/index.ts";
import { parseSlotRecord, type SlotRecord } from "../../../src/domain/update/index.ts";
import { until } from "../../cluster/processes.ts";
import { Lab, type Machine } from "../network/lab.ts";
import { LAUNCHER, NEXT_VERSION, nextCore, releaseOf, shippedCore } from "./cores.ts";

const TIMEOUT_MS = 90_000;

let lab: Lab;
let nodes: readonly [Machine, Machine];

beforeAll(async () => {
  lab = new Lab("self-update");
  const release = await releaseOf(await nextCore(shippedCore()));
  const settings = {
    MYCELIUM_UPDATE_URL: release,
    MYCELIUM_UPDATE_ROOT: join(release, "root.json"),
    MYCELIUM_UPDATE_HEALTH_INTERVAL: "1s",
    MYCELIUM_UPDATE_CONFIRM_AFTER: "1s",
  };
  nodes = [
    await lab.machine("first", { ...settings, MYCELIUM_UPDATE_APPROVAL: "operator" }, LAUNCHER),
    await lab.machine("second", settings, LAUNCHER),
  ];
  const [first, second] = nodes;
  await first.command("init", "--network", "two", ...first.portFlags);
  first.start();
  await first.untilHealthy();
  await second.command("join", await first.command("token", "create"), ...second.portFlags);
  second.start();
  await Promise.all(nodes.map((node) => node.untilHealthy(1)));
  await first.command("sql", "CREATE TABLE kept (x)");
  await first.command("sql", "INSERT INTO kept VALUES ('acknowledged')");
});
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.run(["stop"])));
  await lab.close();
});

function recordOf({ state }: Machine): SlotRecord {
  return parseSlotRecord(readFileSync(join(state, "slots/record"), "utf8"));
}

function eachRuns(version: string): boolean {
  return nodes.map(recordOf).every(({ active, state }) => {
    return active.version === version && state === "confirmed";
  });
}

/** Whatever the nodes are doing: a node that switches does not answer for a moment. */
async function planState(node: Machine): Promise<string | null> {
  const { status, out } = await node.run(["update", "status", "--json"]);
  return status === 0 ? (JSON.parse(out).plan?.state ?? null) : null;
}

/** The first node votes when its operator says so; what it was told of a version once, it remembers while it runs. */
async function approve(): Promise<void> {
  await until("an approved rollout", async () => {
    const { status } = await nodes[0].run(["update", "approve", NEXT_VERSION]);
    if (status === 0) return true;
    return ["approved", "rolling"].includes((await planState(nodes[0])) ?? "") ? true : null;
  });
}

test(
  "a release that is ill is taken back on the first node, and the second never gets it",
  async () => {
    for (const { state } of nodes) writeFileSync(join(state, "FAULT"), "ill");
    await nodes[1].run(["update", "check"]);
    await approve();
    await until(
      "the end of the rollout",
      async () => ((await planState(nodes[0])) === "reverted" ? true : null),
      TIMEOUT_MS,
    );
    const records = nodes.map(recordOf);
    const [canary] = records.filter(({ refused }) => refused !== null);
    expect(canary?.reason).toMatch(/unhealthy for \d+ s/);
    expect(records.filter(({ refused }) => refused === null)).toHaveLength(1);
    expect(eachRuns(VERSION)).toBe(true);
  },
  TIMEOUT_MS,
);

test(
  "planned again after it was mended, it goes to both, and nothing is lost",
  async () => {
    for (const { state } of nodes) rmSync(join(state, "FAULT"));
    const planned = await nodes[0].run(["update", "plan", NEXT_VERSION]);
    expect(planned).toMatchObject({ status: 0 });
    await approve();
    await until(
      "both on the next version",
      async () => (eachRuns(NEXT_VERSION) ? true : null),
      TIMEOUT_MS,
    );
    for (const node of nodes) {
      const status = await node.untilHealthy(1);
      expect(status.node.version).toBe(NEXT_VERSION);
      expect(await node.command("sql", "SELECT x FROM kept")).toContain("acknowledged");
    }
    await until("the end of the rollout", async () =>
      (await planState(nodes[0])) === "done" ? true : null,
    );
  },
  TIMEOUT_MS,
);
