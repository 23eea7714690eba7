/** The power goes: processes are killed and what was not synced is gone, in part or as a whole. */

import { basename } from "node:path";
import { type Fault, hold, nameOf, pick, pickNode, shuffled } from "./fault.ts";
import type { PowerDisk } from "./power-disk.ts";

/** Nothing, hardly anything, half or nearly all of what was not synced survives. */
const SURVIVAL_PERCENTS = [0, 0, 10, 50, 95] as const;

export function powerCutOfAll(disk: PowerDisk): Fault {
  return async (context) => {
    const { cluster, random, note } = context;
    const percent = pick(random, SURVIVAL_PERCENTS);
    const seed = random.u32();
    note(`power cut of all, ${percent} % survives, seed ${seed}`);
    await Promise.all(shuffled(random, cluster.nodes).map((node) => node.kill()));
    for (const node of cluster.nodes) await disk.cut(basename(node.state), seed, percent);
    // Each run between cuts has another disk: a slow one leaves much unsynced.
    await disk.slow(pick(random, [0, 0, 2, 15]));
    for (const node of shuffled(random, cluster.nodes)) {
      node.start();
      await hold(context, 0, 200);
    }
  };
}

export function powerCutOfOne(disk: PowerDisk): Fault {
  return async (context) => {
    const { random, note } = context;
    const node = await pickNode(context);
    const percent = pick(random, SURVIVAL_PERCENTS);
    const seed = random.u32();
    note(`power cut of ${nameOf(context, node)}, ${percent} % survives, seed ${seed}`);
    await node.kill();
    await disk.cut(basename(node.state), seed, percent);
    await hold(context, 0, 1_500);
    node.start();
  };
}
