/**
 * Releases whose core is broken, on a network of three: each is taken back on the canary, no other node ever runs it
 * or switches to it, and `update status` says why.
 */

import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { ClusterNode } from "../cluster/cluster-node.ts";
import { until } from "../cluster/processes.ts";
import { SqlClient } from "../cluster/sql-client.ts";
import { type TrialReleases, trialReleases } from "./releases.ts";
import {
  NEW_VERSION,
  OLD_VERSION,
  type PlanView,
  recordOf,
  UpdateNetwork,
} from "./update-network.ts";

const ENTRY = resolve(import.meta.dir, "../integration/update/faulty-core.ts");
const QUICK = {
  MYCELIUM_UPDATE_HEALTH_INTERVAL: "1s",
  MYCELIUM_UPDATE_CONFIRM_AFTER: "10s",
  MYCELIUM_CONFIRM_TIMEOUT: "20",
};

export interface Fault {
  /** What the file FAULT says: see faulty-core.ts. */
  readonly fault: string;
  /** What the plan must give as its reason. */
  readonly reason: RegExp;
  /** With the product's own settings; else with short ones. */
  readonly isDefault?: boolean;
}

export const FAULTS: readonly Fault[] = [
  { fault: "crash", reason: /started 3 times/ },
  // Crashes when it has long served.
  { fault: "crash 3", reason: /started 3 times/ },
  { fault: "hang", reason: /not confirmed .*within 20 s/ },
  // Hangs when it has long served.
  { fault: "hang 3", reason: /not confirmed .*within 20 s/ },
  { fault: "leak", reason: /MiB of memory/ },
  { fault: "ill", reason: /unhealthy for \d+ s: the disk is nearly full/ },
  { fault: "damage", reason: /damaged/ },
  { fault: "sick 30", reason: /unhealthy for \d+ s: the disk is nearly full/, isDefault: true },
];
/** The one for every day: it is served for a while, then ill. */
export const SHORT_FAULTS: readonly Fault[] = [
  { fault: "sick 2", reason: /unhealthy for \d+ s: the disk is nearly full/ },
];

type Print = (line: Readonly<Record<string, unknown>>) => void;

/** True when nothing was wrong. */
export async function tryBrokenReleases(faults: readonly Fault[], print: Print): Promise<boolean> {
  let isGood = true;
  for (const isDefault of [false, true]) {
    const group = faults.filter((one) => (one.isDefault ?? false) === isDefault);
    if (group.length > 0) isGood = (await tryGroup(group, isDefault ? {} : QUICK, print)) && isGood;
  }
  return isGood;
}

async function tryGroup(
  faults: readonly Fault[],
  settings: Readonly<Record<string, string>>,
  print: Print,
): Promise<boolean> {
  const scratch = mkdtempSync(join(tmpdir(), "mycelium-broken-"));
  const releases = await trialReleases(scratch, [{ version: NEW_VERSION, entry: ENTRY }]);
  const network = await UpdateNetwork.form({ scratch, releases, nodeCount: 3, settings });
  let isGood = true;
  try {
    const kept = new Kept(network);
    await kept.make();
    let plan: string | null = null;
    for (const one of faults) {
      const outcome = await tryFault(network, releases, one, plan);
      plan = outcome.plan;
      const problems = [...outcome.problems, ...(await kept.problems())];
      isGood = isGood && problems.length === 0;
      print({ fault: one.fault, ...outcome.figures, problems });
    }
  } finally {
    await network.close();
  }
  if (isGood) rmSync(scratch, { recursive: true });
  else print({ kept: scratch });
  return isGood;
}

interface Outcome {
  readonly plan: string;
  readonly problems: readonly string[];
  readonly figures: Readonly<Record<string, unknown>>;
}

async function tryFault(
  network: UpdateNetwork,
  releases: TrialReleases,
  { fault, reason }: Fault,
  before: string | null,
): Promise<Outcome> {
  for (const { state } of network.nodes) {
    for (const name of ["RAN", "SHOWN"]) rmSync(join(state, name), { force: true });
    writeFileSync(join(state, "FAULT"), fault);
  }
  if (before === null) network.publish();
  const id = await network.begin(NEW_VERSION, before);
  const plan = await network.untilEnd(id);
  const endedAtMs = Date.now();
  const ran = network.nodes.filter(({ state }) => existsSync(join(state, "RAN")));
  const canary = ran[0];
  if (canary === undefined) {
    return { plan: id, problems: [`nobody ran it: ${plan.state}: ${plan.reason}`], figures: {} };
  }
  const shownAtMs = Number(readFileSync(join(canary.state, "SHOWN"), "utf8"));
  const revertedAtMs = statSync(join(canary.state, "slots/record")).mtimeMs;
  await network.untilSettled();
  const problems = [
    ...planProblems(plan, canary, reason),
    ...ran.slice(1).map(({ state }) => `it ran on a second node: ${state}`),
    ...network.nodes.flatMap((node) => slotProblems(node, releases)),
    ...(await statusProblems(network, reason)),
  ];
  const figures = {
    reason: plan.reason,
    visibleToRevertedS: seconds(revertedAtMs - shownAtMs),
    visibleToPlanEndS: seconds(endedAtMs - shownAtMs),
  };
  return { plan: id, problems, figures };
}

function planProblems(plan: PlanView, canary: ClusterNode, reason: RegExp): string[] {
  const problems: string[] = [];
  if (plan.state !== "reverted") problems.push(`the plan is ${plan.state}: ${plan.reason}`);
  if (!reason.test(plan.reason)) problems.push(`the plan's reason is "${plan.reason}"`);
  const phase = plan.nodes.find(({ id }) => id === canary.id)?.phase;
  if (phase !== "reverted") problems.push(`the canary is ${phase} in the plan`);
  return problems;
}

/** Whoever had switched without coming as far as to run it would be on trial still. */
function slotProblems(node: ClusterNode, releases: TrialReleases): string[] {
  const { active, state } = recordOf(node);
  const isOld = active.sha256 === releases.coreOf.get(OLD_VERSION) && state === "confirmed";
  return isOld ? [] : [`${node.state} is at ${active.version}, ${state}`];
}

/** What people see on any node. */
async function statusProblems(network: UpdateNetwork, reason: RegExp): Promise<string[]> {
  const problems: string[] = [];
  for (const node of network.nodes) {
    const shown = await node.command("update", "status");
    if (!reason.test(shown))
      problems.push(`update status of ${node.state} does not say why: ${shown}`);
  }
  return problems;
}

/** A row that was acknowledged before the first fault, and is read on every node after each. */
class Kept {
  readonly #network: UpdateNetwork;
  readonly #client: SqlClient;

  constructor(network: UpdateNetwork) {
    this.#network = network;
    this.#client = new SqlClient(() => network.cluster.token);
  }

  async make(): Promise<void> {
    await this.#sql(this.#network.nodes[0] as ClusterNode, "CREATE TABLE kept (x)");
    await this.#sql(this.#network.nodes[0] as ClusterNode, "INSERT INTO kept VALUES (1)");
  }

  async problems(): Promise<string[]> {
    const counts = await Promise.all(
      this.#network.nodes.map((node) => this.#sql(node, "SELECT count(*) FROM kept")),
    );
    return counts.flatMap((count, i) => (count === "1" ? [] : [`node ${i} has ${count} rows`]));
  }

  #sql(node: ClusterNode, sql: string): Promise<string> {
    return until(sql, async () => {
      const outcome = await this.#client.run(node.target, [{ sql }]);
      if (outcome.kind === "ok") return String(outcome.results[0]?.[0]?.[0]);
      throw new Error(JSON.stringify(outcome));
    });
  }
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10;
}
