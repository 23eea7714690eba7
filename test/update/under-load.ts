/**
 * Five nodes that update themselves, and go back, under a steady load of writes through all of them: undisturbed, with
 * the leader killed half way, with the canary killed, paused and resumed, aborted.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../cluster/processes.ts";
import { trialReleases } from "./releases.ts";
import { SteadyLoad } from "./steady-load.ts";
import {
  NEW_VERSION,
  OLD_VERSION,
  type PlanView,
  recordOf,
  UpdateNetwork,
} from "./update-network.ts";

/** Six looks in a row that find a fault end a trial: a slow machine needs some seconds to find a leader again. */
export const SETTINGS = {
  MYCELIUM_UPDATE_HEALTH_INTERVAL: "3s",
  MYCELIUM_UPDATE_CONFIRM_AFTER: "5s",
};
/** Rounds of the leader: so long nothing may happen in a rollout that is paused. */
const PAUSE_MS = 5_000;

type Print = (line: Readonly<Record<string, unknown>>) => void;

export interface RolloutOptions {
  readonly nodeCount: number;
  readonly settings: Readonly<Record<string, string>>;
  readonly trials: readonly Trial[];
}

export type Trial = keyof typeof TRIALS;

/** True when nothing was wrong. */
export async function tryRollouts(print: Print, options: RolloutOptions): Promise<boolean> {
  const { nodeCount, settings, trials } = options;
  const scratch = mkdtempSync(join(tmpdir(), "mycelium-rollouts-"));
  const releases = await trialReleases(scratch, [{ version: NEW_VERSION }]);
  const network = await UpdateNetwork.form({ scratch, releases, nodeCount, settings });
  let isGood = true;
  try {
    network.publish();
    const rollouts = new Rollouts(network);
    for (const trial of trials) {
      isGood = (await underLoad(trial, () => TRIALS[trial](rollouts), network, print)) && isGood;
      if (!rollouts.anyoneRuns(NEW_VERSION)) continue;
      const back = () => rollouts.goBack();
      isGood = (await underLoad(`rollback after ${trial}`, back, network, print)) && isGood;
    }
  } finally {
    await network.close();
  }
  if (isGood) rmSync(scratch, { recursive: true });
  else print({ kept: scratch });
  return isGood;
}

/** What is wrong with how it ended. */
type Problems = readonly string[];

async function underLoad(
  name: string,
  trial: () => Promise<Problems>,
  network: UpdateNetwork,
  print: Print,
): Promise<boolean> {
  const load = await SteadyLoad.start(network.nodes, network.cluster.token, name);
  const startMs = performance.now();
  const ended = await trial().catch((error) => [String(error)]);
  const rolloutMs = performance.now() - startMs;
  await network.untilSettled();
  const { problems, ...figures } = await load.stop();
  const all = [...ended, ...problems];
  print({ trial: name, rolloutS: Math.round(rolloutMs / 1_000), ...figures, problems: all });
  return all.length === 0;
}

class Rollouts {
  readonly network: UpdateNetwork;
  #last: string | null = null;

  constructor(network: UpdateNetwork) {
    this.network = network;
  }

  async begin(): Promise<string> {
    this.#last = await this.network.begin(NEW_VERSION, this.#last);
    return this.#last;
  }

  /** One is through, and others are not. */
  async half(id: string): Promise<PlanView> {
    return this.network.untilPlan(id, "half way", ({ state, nodes }) => {
      if (state !== "rolling") throw new Error(`the rollout is ${state} before it is half way`);
      return nodes.some(({ phase }) => phase === "healthy");
    });
  }

  async goBack(): Promise<Problems> {
    this.#last = await this.network.goBack(OLD_VERSION, this.#last);
    return this.endsAs(this.#last, "done", OLD_VERSION);
  }

  async endsAs(id: string, state: string, version: string | null): Promise<Problems> {
    const plan = await this.network.untilEnd(id);
    if (plan.state !== state) return [`it ended as ${plan.state}, not ${state}: ${plan.reason}`];
    await this.network.untilSettled();
    const away = this.network.nodes.filter((node) => recordOf(node).active.version !== version);
    return version === null ? [] : away.map((node) => `${node.state} does not run ${version}`);
  }

  anyoneRuns(version: string): boolean {
    return this.network.nodes.some((node) => recordOf(node).active.version === version);
  }

  versions(): string {
    return this.network.nodes.map((node) => recordOf(node).active.version).join(" ");
  }

  /** An operator's command, on any node: one that switches just now does not answer. */
  async command(name: "pause" | "resume" | "abort"): Promise<void> {
    await until(name, async () => {
      for (const node of this.network.cluster.upNodes) {
        try {
          await node.command("update", name);
          return true;
        } catch {}
      }
      return null;
    });
  }
}

const TRIALS = {
  async undisturbed(rollouts: Rollouts): Promise<Problems> {
    return rollouts.endsAs(await rollouts.begin(), "done", NEW_VERSION);
  },

  async "leader killed"(rollouts: Rollouts): Promise<Problems> {
    const id = await rollouts.begin();
    await rollouts.half(id);
    const leader = await rollouts.network.systemLeader();
    await leader.kill();
    leader.start();
    return rollouts.endsAs(id, "done", NEW_VERSION);
  },

  async "canary killed"(rollouts: Rollouts): Promise<Problems> {
    const id = await rollouts.begin();
    const canary = await until("a canary on trial", async () => {
      const found = rollouts.network.nodes.find((node) => recordOf(node).state === "trial");
      return found ?? null;
    });
    await canary.kill();
    canary.start();
    return rollouts.endsAs(id, "done", NEW_VERSION);
  },

  async "paused and resumed"(rollouts: Rollouts): Promise<Problems> {
    const id = await rollouts.begin();
    await rollouts.half(id);
    await rollouts.command("pause");
    // Whoever has gone down for its switch already comes through it.
    await rollouts.network.untilSettled();
    const before = rollouts.versions();
    await Bun.sleep(PAUSE_MS);
    const after = rollouts.versions();
    await rollouts.command("resume");
    const moved = before === after ? [] : [`paused at ${before}, and then it was ${after}`];
    return [...moved, ...(await rollouts.endsAs(id, "done", NEW_VERSION))];
  },

  async aborted(rollouts: Rollouts): Promise<Problems> {
    const id = await rollouts.begin();
    await rollouts.half(id);
    await rollouts.command("abort");
    const problems = await rollouts.endsAs(id, "aborted", null);
    await rollouts.network.untilSettled();
    const isHalf = rollouts.anyoneRuns(OLD_VERSION) && rollouts.anyoneRuns(NEW_VERSION);
    return isHalf ? problems : [...problems, `nodes run ${rollouts.versions()}`];
  },
} as const;

export const ALL_TRIALS = Object.keys(TRIALS) as readonly Trial[];
