/** A short run of `bun run update-trials`. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { powerDiskProblem } from "../chaos/power-disk.ts";
import { cutUpdatesShort } from "./moments.ts";

setDefaultTimeout(600_000);

test("an update that is cut short leaves one of the two versions, and all that was acknowledged", async () => {
  const problem = powerDiskProblem();
  if (problem !== null) console.log(`no power cuts here: ${problem}`);
  const lines: unknown[] = [];
  const isGood = await cutUpdatesShort({
    kills: 2,
    powerCuts: problem === null ? 2 : 0,
    seed: 7,
    print: (line) => lines.push(line),
    keep: false,
  });
  if (!isGood) console.log(lines.map((line) => JSON.stringify(line)).join("\n"));
  expect(isGood).toBe(true);
});
