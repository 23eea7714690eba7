/**
 * A long fuzz run of the launcher's parsers, under sanitizers.
 *
 *   bun run fuzz:launcher [--rounds N] [--seed N]
 *
 * Ends with 1 at the first fault; its round's seed is the run's seed and how far it came.
 */

import { parseArgs } from "node:util";
import { buildParts } from "./native-program.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "1000000" },
    seed: { type: "string", default: String(Date.now()) },
  },
});
const child = Bun.spawn([await buildParts(), "fuzz", values.seed, values.rounds], {
  stdout: "inherit",
  stderr: "inherit",
});
const status = await child.exited;
if (status !== 0) console.error(`Fault in the rounds from seed ${values.seed}`);
process.exit(status);
