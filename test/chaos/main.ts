/**
 * `bun run chaos [--nodes 3] [--kills 1000] [--power-cuts 100] [--flips 50] [--partitions 20] [--pauses 20] ...`
 *
 * A real network of the built executable under faults, with clients that record everything (DESIGN.md beside this).
 * Prints JSON lines; ends with 1 after a violation, with the seed and what was done last.
 */

import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Cluster } from "../cluster/cluster.ts";
import { loopbackNetwork, namespaceNetwork, namespaceProblem } from "../cluster/test-network.ts";
import { ChaosRun } from "./chaos-run.ts";
import { damage } from "./damage-faults.ts";
import { partition } from "./partition-faults.ts";
import { PowerDisk, powerDiskProblem } from "./power-disk.ts";
import { powerCutOfAll, powerCutOfOne } from "./power-faults.ts";
import { killAll, killMost, killOne, pauseOne } from "./process-faults.ts";

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "3" },
    kills: { type: "string", default: "1000" },
    partitions: { type: "string", default: "20" },
    "power-cuts": { type: "string", default: "100" },
    flips: { type: "string", default: "50" },
    pauses: { type: "string", default: "20" },
    minutes: { type: "string", default: "120" },
    clients: { type: "string", default: "8" },
    "gap-ms": { type: "string", default: "10" },
    seed: { type: "string", default: String(Date.now() % 1_000_000_000) },
    executable: { type: "string", default: join(import.meta.dir, "../../dist/mycelium") },
    keep: { type: "boolean", default: false },
  },
});

// Whatever ends the run, no process, namespace or mount stays.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

const print = (line: Readonly<Record<string, unknown>>) => console.log(JSON.stringify(line));
const kills = Number(values.kills);
// Of the kills, one in twenty-five takes all nodes and one in twenty-five all but one.
const group = Math.round(kills / 25);
const nodeCount = Number(values.nodes);
if (!existsSync(values.executable)) {
  throw new Error(`${values.executable} is missing: run \`bun run build\` first`);
}
const directory = mkdtempSync(join(tmpdir(), "mycelium-chaos-"));
const executable = join(directory, "mycelium");
cpSync(resolve(values.executable), executable);
const problem = namespaceProblem();
if (problem !== null) print({ skipped: "partitions", reason: problem });
const network = problem === null ? namespaceNetwork(nodeCount) : await loopbackNetwork(nodeCount);
const powerProblem = Number(values["power-cuts"]) > 0 ? powerDiskProblem() : "none are asked for";
if (powerProblem !== null) print({ skipped: "power cuts", reason: powerProblem });
const disk = powerProblem === null ? await PowerDisk.mount(directory) : null;
let run: ChaosRun | null = null;
const cluster = await Cluster.form({
  executable,
  directory,
  network,
  ...(disk === null ? {} : { states: network.places.map((_, i) => join(disk.directory, `n${i}`)) }),
  onDeath: (what) => run?.violated(what),
});
run = new ChaosRun({
  cluster,
  seed: Number(values.seed),
  plan: [
    { name: "kill one", fault: killOne, count: kills - 2 * group },
    { name: "kill most", fault: killMost, count: group },
    { name: "kill all", fault: killAll, count: group },
    ...powerFaults(),
    { name: "damage", fault: damage, count: Number(values.flips), alone: true },
    { name: "pause", fault: pauseOne, count: Number(values.pauses) },
    {
      name: "partition",
      fault: partition,
      count: problem === null ? Number(values.partitions) : 0,
    },
  ],
  clientCount: Number(values.clients),
  gapMs: Number(values["gap-ms"]),
  deadlineMs: performance.now() + Number(values.minutes) * 60_000,
  print,
});
print(await run.run());
network.close();
await disk?.unmount();
const isGood = run.violations.length === 0;
if (isGood && !values.keep) rmSync(directory, { recursive: true });
else print({ kept: directory });
process.exit(isGood ? 0 : 1);

/** Of all nodes as often as asked, and of one node as often again. */
function powerFaults() {
  if (disk === null) return [];
  const count = Number(values["power-cuts"]);
  return [
    { name: "power cut of all", fault: powerCutOfAll(disk), count },
    { name: "power cut of one", fault: powerCutOfOne(disk), count },
  ];
}
