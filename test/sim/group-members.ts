/** Which machines hold the replicas of a group, and with which weights. */

import {
  type Configuration,
  levelWeights,
  makeConfiguration,
} from "../../src/domain/raft/index.ts";
import type { Machine } from "./machine.ts";

export function configurationOf(
  weights: ReadonlyMap<Machine, number>,
  machines: readonly Machine[],
): Configuration {
  const raw = new Map([...weights].map(([{ replica }, weight]) => [replica, weight]));
  const voters = [...levelWeights(raw)].map(([replica, weight]) => ({ replica, weight }));
  const others = machines.filter((machine) => !weights.has(machine));
  return makeConfiguration({ voters, learners: others.map(({ replica }) => replica) });
}
