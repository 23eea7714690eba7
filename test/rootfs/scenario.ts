/** What a scenario is: releases, two machines, and steps that stand on each other and throw when something is wrong. */

import type { Machine } from "./machine.ts";
import type { Releases } from "./releases.ts";

export interface World {
  readonly first: Machine;
  readonly second: Machine;
  readonly releases: Releases;
}

export interface Step {
  readonly name: string;
  run(world: World): Promise<void> | void;
}

export interface Scenario {
  readonly name: string;
  /** The version whose directory the machines see as /release. */
  readonly offlineVersion: string;
  /** What is served when the first step begins. */
  readonly firstVersion: string;
  readonly makeReleases: (releases: Releases) => Promise<void>;
  readonly steps: readonly Step[];
  /** Under emulation, where everything takes many times as long. */
  readonly fewSteps: readonly Step[];
}
