/**
 * An update that is cut short: kill -9, or a power cut that takes what was not synced, at random moments of it. After
 * each the node boots, runs one of the two versions, has every acknowledged row, and the update comes to its end.
 */

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { SeededRandom } from "../../src/base/index.ts";
import { PowerDisk } from "../chaos/power-disk.ts";
import { OneNode } from "./one-node.ts";
import { trialReleases } from "./releases.ts";

export interface MomentsOptions {
  readonly kills: number;
  /** Need root and FUSE (`powerDiskProblem`). */
  readonly powerCuts: number;
  readonly seed: number;
  readonly print: (line: Readonly<Record<string, unknown>>) => void;
  readonly keep: boolean;
}

/** How much of what was not synced survives, in per cent. */
const SURVIVALS = [0, 0, 10, 50, 95] as const;
/** Moments lie also a little behind the end of an undisturbed update. */
const OVERRUN = 1.1;

/** True when nothing was wrong. */
export async function cutUpdatesShort(options: MomentsOptions): Promise<boolean> {
  const { kills, powerCuts, seed, print, keep } = options;
  const scratch = mkdtempSync(join(tmpdir(), "mycelium-moments-"));
  const releases = await trialReleases(scratch, [{ version: "0.2.0" }]);
  let disk: PowerDisk | null = null;
  let isGood = true;
  for (const [kind, count] of [["kill", kills] as const, ["power cut", powerCuts] as const]) {
    if (count === 0) continue;
    if (kind === "power cut") disk = await PowerDisk.mount(scratch);
    const home = disk === null ? join(scratch, "node") : join(disk.directory, "node");
    const files = join(scratch, kind);
    mkdirSync(files);
    const one = await OneNode.make(home, files, releases);
    try {
      const rounds = { one, disk, random: new SeededRandom(seed), kind, count, print };
      isGood = (await runRounds(rounds)) && isGood;
    } finally {
      await one.close();
    }
  }
  await disk?.unmount();
  if (isGood && !keep) rmSync(scratch, { recursive: true });
  else print({ kept: scratch });
  return isGood;
}

interface Rounds {
  readonly one: OneNode;
  readonly disk: PowerDisk | null;
  readonly random: SeededRandom;
  readonly kind: string;
  readonly count: number;
  readonly print: MomentsOptions["print"];
}

async function runRounds({ one, disk, random, kind, count, print }: Rounds): Promise<boolean> {
  const startMs = performance.now();
  await one.begin();
  const undisturbed = await one.judge();
  const lengthMs = performance.now() - startMs;
  print({ kind, undisturbed, lengthMs: Math.round(lengthMs) });
  const versions: Record<string, number> = {};
  let isGood = undisturbed.problems.length === 0 && undisturbed.version === "0.2.0";
  for (let round = 1; round <= count; round++) {
    const atMs = random.below(Math.ceil(lengthMs * OVERRUN));
    await one.begin();
    await Bun.sleep(atMs);
    await one.node.kill();
    if (disk !== null) {
      const percent = SURVIVALS[random.below(SURVIVALS.length)] ?? 0;
      await disk.cut(basename(one.node.state), random.u32(), percent);
    }
    one.node.start();
    const { version, problems } = await one.judge();
    versions[version] = (versions[version] ?? 0) + 1;
    if (problems.length > 0) isGood = false;
    print({ kind, round, atMs, version, problems });
  }
  print({ kind, rounds: count, versions, good: isGood });
  return isGood;
}
