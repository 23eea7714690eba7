/**
 * Silent damage: a row of one replica's database is changed behind its back, and nothing ever writes it again. The
 * check of tables must find it, and the replica must end equal to the others.
 */

import type { Random } from "../../src/base/index.ts";
import type { Machine } from "./machine.ts";
import { MAIN, type World } from "./world.ts";

const KEY = "log/x";

/** Changes a row on one machine, running or down; false where no majority would be left to say what is right. */
export function rot(world: World, random: Random): boolean {
  const machine = world.machines[random.below(world.machines.length)] as Machine;
  if (machine.process?.isMinority(MAIN) !== true) return false;
  world.isRotten = true;
  const isRunning = random.below(2) === 0;
  world.trace.add(machine.name, `a row rots ${isRunning ? "while it runs" : "while it is down"}`);
  if (isRunning) machine.process.alter(MAIN, KEY, "rotten");
  else {
    world.crash(machine, random.below(2) === 0);
    machine.shardDisk(MAIN).alter(KEY, "rotten");
    world.start(machine);
  }
  return true;
}
