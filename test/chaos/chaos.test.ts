/** The short form of `bun run chaos`. What cannot be done on a machine is printed with the reason. */

import { beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { type FaultCounts, runPhase } from "./phase.ts";

const REPOSITORY = resolve(import.meta.dir, "../..");
const EXECUTABLE = join(REPOSITORY, "dist/mycelium-core");
const TIMEOUT_MS = 120_000;

beforeAll(() => {
  if (existsSync(EXECUTABLE)) return;
  const { status } = spawnSync(process.execPath, ["build/build.ts"], { cwd: REPOSITORY });
  expect(status).toBe(0);
}, TIMEOUT_MS);

async function violationsUnder(name: string, counts: FaultCounts): Promise<string[]> {
  const violations: string[] = [];
  const isGood = await runPhase({
    name,
    counts,
    executable: EXECUTABLE,
    nodeCount: 3,
    seed: 1,
    clientCount: 4,
    gapMs: 20,
    healTimeoutMs: 30_000,
    minutes: 1,
    keep: false,
    print: (line) => {
      if ("violation" in line) violations.push(JSON.stringify(line));
      if ("skipped" in line) console.log(`not tested here: ${line["skipped"]}: ${line["reason"]}`);
      if ("kept" in line) console.log(`state and logs are in ${line["kept"]}`);
    },
  });
  expect(isGood).toBe(violations.length === 0);
  return violations;
}

test(
  "nothing acknowledged is lost to kills, a pause, a partition and damaged files",
  async () => {
    const counts = { kills: 5, pauses: 1, partitions: 1, flips: 2 };
    expect(await violationsUnder("processes, links and damage", counts)).toEqual([]);
  },
  TIMEOUT_MS,
);

test(
  "nothing acknowledged is lost to power cuts of one and of all nodes",
  async () => expect(await violationsUnder("power cuts", { powerCuts: 2 })).toEqual([]),
  TIMEOUT_MS,
);

test(
  "full disks refuse writes, serve reads, and are forgotten once there is room",
  async () => expect(await violationsUnder("full disks", { fullDisks: 1 })).toEqual([]),
  TIMEOUT_MS,
);

test(
  "nobody stands for election because syncs take 20 ms",
  async () => expect(await violationsUnder("slow disks", { slowTurns: 1 })).toEqual([]),
  TIMEOUT_MS,
);
