/** Short runs of `bun run update-trials`. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { powerDiskProblem } from "../chaos/power-disk.ts";
import { tryAnotherSqlite } from "./another-sqlite.ts";
import { SHORT_FAULTS, tryBrokenReleases } from "./broken.ts";
import { cutUpdatesShort } from "./moments.ts";
import { tryRollouts } from "./under-load.ts";

setDefaultTimeout(600_000);

type Print = (line: Readonly<Record<string, unknown>>) => void;

/** What it printed is shown only if it found something. */
async function expectGood(trial: (print: Print) => Promise<boolean>): Promise<void> {
  const lines: unknown[] = [];
  const isGood = await trial((line) => lines.push(line));
  if (!isGood) console.log(lines.map((line) => JSON.stringify(line)).join("\n"));
  expect(isGood).toBe(true);
}

test("an update that is cut short leaves one of the two versions, and all that was acknowledged", async () => {
  const problem = powerDiskProblem();
  if (problem !== null) console.log(`no power cuts here: ${problem}`);
  const powerCuts = problem === null ? 2 : 0;
  await expectGood((print) =>
    cutUpdatesShort({ kills: 2, powerCuts, seed: 7, print, keep: false }),
  );
});

test("a release that falls ill when it has long served is taken back on the canary, and goes no further", async () => {
  await expectGood((print) => tryBrokenReleases(SHORT_FAULTS, print));
});

test("another SQLite goes no further than a canary whose data differs, and on once it does not", async () => {
  await expectGood(tryAnotherSqlite);
});

test("a network under load updates itself and goes back, and no write is lost or fails twice", async () => {
  await expectGood((print) =>
    tryRollouts(print, {
      nodeCount: 3,
      settings: { MYCELIUM_UPDATE_HEALTH_INTERVAL: "1s", MYCELIUM_UPDATE_CONFIRM_AFTER: "1s" },
      trials: ["undisturbed"],
    }),
  );
});
