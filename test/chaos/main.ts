/**
 * `bun run chaos [--kills 1000] [--pauses 20] [--partitions 20] [--flips 50] [--behind 2] [--power-cuts 100]
 *   [--full-disks 6] [--soak-slow-fsync 10m] [--nodes 3] [--clients 8] [--gap-ms 10] [--heal-seconds 30]
 *   [--minutes 120] [--seed N] [--executable FILE] [--keep]`
 *
 * Networks of the built executable under faults, with clients that record everything (DESIGN.md beside this). Three
 * phases, each on a network of its own: processes, links and damage; power cuts; full disks. With --soak-slow-fsync
 * only that: steady writes for so long on disks whose syncs take 20 ms, and no election. Prints JSON lines; ends with
 * 1 after a violation, having printed it with the seed and what was done last.
 */

import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { parseDurationMs } from "../../src/base/index.ts";
import { type FaultCounts, runPhase } from "./phase.ts";
import { SLOW_TURN_MS } from "./slow-disk.ts";

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "3" },
    kills: { type: "string", default: "1000" },
    pauses: { type: "string", default: "20" },
    partitions: { type: "string", default: "20" },
    flips: { type: "string", default: "50" },
    behind: { type: "string", default: "2" },
    "power-cuts": { type: "string", default: "100" },
    "full-disks": { type: "string", default: "6" },
    "soak-slow-fsync": { type: "string" },
    minutes: { type: "string", default: "120" },
    clients: { type: "string", default: "8" },
    "gap-ms": { type: "string", default: "10" },
    "heal-seconds": { type: "string", default: "30" },
    seed: { type: "string", default: String(Date.now() % 1_000_000_000) },
    executable: { type: "string", default: join(import.meta.dir, "../../dist/mycelium-core") },
    keep: { type: "boolean", default: false },
  },
});

const executable = resolve(values.executable);
if (!existsSync(executable)) {
  throw new Error(`${executable} is missing: run \`bun run build\` first`);
}
// Whatever ends the run, no process, namespace or mount stays.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

const soak = values["soak-slow-fsync"];
const soakMs = soak === undefined ? 0 : parseDurationMs(soak);
if (soakMs === null) throw new Error(`--soak-slow-fsync takes a duration, not "${soak}"`);

interface Phase {
  readonly name: string;
  readonly counts: FaultCounts;
}

const soakPhases: readonly Phase[] = [
  { name: "slow disks", counts: { slowTurns: Math.ceil(soakMs / SLOW_TURN_MS) } },
];
const faultPhases: readonly Phase[] = [
  {
    name: "processes, links and damage",
    counts: {
      kills: Number(values.kills),
      pauses: Number(values.pauses),
      partitions: Number(values.partitions),
      flips: Number(values.flips),
      behind: Number(values.behind),
    },
  },
  { name: "power cuts", counts: { powerCuts: Number(values["power-cuts"]) } },
  { name: "full disks", counts: { fullDisks: Number(values["full-disks"]) } },
];

const endsMs = performance.now() + Number(values.minutes) * 60_000;
let isGood = true;
for (const { name, counts } of soakMs > 0 ? soakPhases : faultPhases) {
  if (Object.values(counts).every((count) => count === 0)) continue;
  isGood &&= await runPhase({
    name,
    counts,
    executable,
    nodeCount: Number(values.nodes),
    seed: Number(values.seed),
    clientCount: Number(values.clients),
    gapMs: Number(values["gap-ms"]),
    healTimeoutMs: Number(values["heal-seconds"]) * 1_000,
    minutes: (endsMs - performance.now()) / 60_000,
    keep: values.keep,
    print: (line) => console.log(JSON.stringify(line)),
  });
}
process.exit(isGood ? 0 : 1);
