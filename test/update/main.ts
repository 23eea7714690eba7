/**
 * `bun run update-trials [--moments] [--broken] [--network] [--kills 200] [--power-cuts 200] [--seed N] [--keep]`
 *
 * Whole updates of the built executable: cut short at random moments (--moments), with releases that are broken
 * (--broken), of five nodes under load (--network); all three when none is named. Prints JSON lines; ends with 1 when
 * anything was wrong, and says with which seed.
 */

import { parseArgs } from "node:util";
import { powerDiskProblem } from "../chaos/power-disk.ts";
import { FAULTS, tryBrokenReleases } from "./broken.ts";
import { cutUpdatesShort } from "./moments.ts";
import { ALL_TRIALS, SETTINGS, tryRollouts } from "./under-load.ts";

const { values } = parseArgs({
  options: {
    moments: { type: "boolean", default: false },
    broken: { type: "boolean", default: false },
    /** Faults by name, separated by commas; all when left out. */
    faults: { type: "string", default: "" },
    network: { type: "boolean", default: false },
    /** Of --network, by name, separated by commas; all when left out. */
    trials: { type: "string", default: "" },
    nodes: { type: "string", default: "5" },
    kills: { type: "string", default: "200" },
    "power-cuts": { type: "string", default: "200" },
    seed: { type: "string", default: String(Date.now() % 1_000_000_000) },
    keep: { type: "boolean", default: false },
  },
});
const print = (line: Readonly<Record<string, unknown>>) => console.log(JSON.stringify(line));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

const isAll = !values.moments && !values.broken && !values.network;
let isGood = true;
if (isAll || values.broken) {
  const faults = named(values.faults, FAULTS, ({ fault }) => fault);
  isGood = (await tryBrokenReleases(faults, print)) && isGood;
}
if (isAll || values.network) {
  const trials = named(values.trials, ALL_TRIALS, (trial) => trial);
  const nodeCount = Number(values.nodes);
  isGood = (await tryRollouts(print, { nodeCount, settings: SETTINGS, trials })) && isGood;
}
if (isAll || values.moments) isGood = (await moments()) && isGood;
process.exit(isGood ? 0 : 1);

function named<T>(list: string, all: readonly T[], nameOf: (one: T) => string): readonly T[] {
  const names = list.split(",").filter(Boolean);
  const unknown = names.find((name) => !all.some((one) => nameOf(one) === name));
  if (unknown !== undefined) {
    throw new Error(`no trial ${unknown}; there are: ${all.map(nameOf).join(", ")}`);
  }
  return names.length === 0 ? all : all.filter((one) => names.includes(nameOf(one)));
}

async function moments(): Promise<boolean> {
  const problem = powerDiskProblem();
  const powerCuts = problem === null ? Number(values["power-cuts"]) : 0;
  if (problem !== null) print({ skipped: "power cuts", because: problem });
  const seed = Number(values.seed);
  print({ seed });
  return cutUpdatesShort({
    kills: Number(values.kills),
    powerCuts,
    seed,
    print,
    keep: values.keep,
  });
}
