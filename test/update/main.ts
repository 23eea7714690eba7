/**
 * `bun run update-trials [--kills 200] [--power-cuts 200] [--seed N] [--keep]`
 *
 * Whole updates of the built executable, cut short at random moments. Prints JSON lines; ends with 1 when anything was
 * wrong, and says with which seed.
 */

import { parseArgs } from "node:util";
import { powerDiskProblem } from "../chaos/power-disk.ts";
import { cutUpdatesShort } from "./moments.ts";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "200" },
    "power-cuts": { type: "string", default: "200" },
    seed: { type: "string", default: String(Date.now() % 1_000_000_000) },
    keep: { type: "boolean", default: false },
  },
});
const print = (line: Readonly<Record<string, unknown>>) => console.log(JSON.stringify(line));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

const problem = powerDiskProblem();
const powerCuts = problem === null ? Number(values["power-cuts"]) : 0;
if (problem !== null) print({ skipped: "power cuts", because: problem });
const seed = Number(values.seed);
print({ seed });
const isGood = await cutUpdatesShort({
  kills: Number(values.kills),
  powerCuts,
  seed,
  print,
  keep: values.keep,
});
process.exit(isGood ? 0 : 1);
