/**
 * A release with another SQLite, as its metadata has it: a canary whose data differs stops it and goes back by itself,
 * with the reason; and it goes through all nodes once the canary holds what the others hold.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ClusterNode } from "../cluster/cluster-node.ts";
import { until } from "../cluster/processes.ts";
import { changeInSilence } from "../cluster/silent-change.ts";
import { SqlClient } from "../cluster/sql-client.ts";
import { trialReleases } from "./releases.ts";
import { NEW_VERSION, type PlanView, recordOf, UpdateNetwork } from "./update-network.ts";

/** A canary that mends itself from another's copy is ill for a moment. */
const SETTINGS = { MYCELIUM_UPDATE_HEALTH_INTERVAL: "2s", MYCELIUM_UPDATE_CONFIRM_AFTER: "4s" };
const WHY = "runs another SQLite, and its table kept differs from the majority's";

type Print = (line: Readonly<Record<string, unknown>>) => void;

/** True when nothing was wrong. */
export async function tryAnotherSqlite(print: Print): Promise<boolean> {
  const scratch = mkdtempSync(join(tmpdir(), "mycelium-sqlite-"));
  const releases = await trialReleases(scratch, [{ version: NEW_VERSION, sqlite: "9.9.9" }]);
  const network = await UpdateNetwork.form({ scratch, releases, nodeCount: 3, settings: SETTINGS });
  const problems: string[] = [];
  try {
    await fill(network);
    network.publish();
    const id = await network.begin(NEW_VERSION, null);
    problems.push(...(await differs(network, id)), ...(await agrees(network, id)));
  } catch (error) {
    problems.push(String(error));
  } finally {
    await network.close();
  }
  print({ trial: "another SQLite", problems });
  if (problems.length === 0) rmSync(scratch, { recursive: true });
  else print({ kept: scratch });
  return problems.length === 0;
}

async function fill(network: UpdateNetwork): Promise<void> {
  const client = new SqlClient(() => network.cluster.token);
  const [node] = network.nodes;
  if (node === undefined) throw new Error("a network has nodes");
  for (const sql of ["CREATE TABLE kept (x)", "INSERT INTO kept VALUES (1)"]) {
    await until(sql, async () => (await client.run(node.target, [{ sql }])).kind === "ok" || null);
  }
  client.close();
}

async function differs(network: UpdateNetwork, id: string): Promise<string[]> {
  const canary = await until("a canary on trial", async () => {
    return network.nodes.find((node) => recordOf(node).state === "trial") ?? null;
  });
  await until("the canary's row", async () =>
    changeInSilence(canary.state, "UPDATE kept SET x = 2") === 1 ? true : null,
  );
  const isBack = ({ nodes }: PlanView) =>
    nodes.some(({ id: node, phase }) => node === canary.id && phase === "reverted");
  const { reason, state } = await network.untilPlan(id, "taken back on its canary", isBack);
  await network.untilSettled();
  const ofCanary = (await canary.update()).node;
  return [
    ...(state === "reverted" ? [] : [`the plan is ${state}`]),
    ...(reason === `node ${canary.id} ${WHY}` ? [] : [`the plan's reason is "${reason}"`]),
    ...(ofCanary.refused === `it ${WHY}` ? [] : [`the canary tells "${ofCanary.refused}"`]),
    ...network.nodes.filter(runsIt).map((node) => `${node.state} runs it`),
  ];
}

/** The canary of before has fetched a copy. */
async function agrees(network: UpdateNetwork, before: string): Promise<string[]> {
  const { reason, state } = await network.untilEnd(await network.begin(NEW_VERSION, before));
  const away = network.nodes.filter((node) => !runsIt(node));
  return [
    ...(state === "done" ? [] : [`the second plan is ${state}: ${reason}`]),
    ...away.map((node) => `${node.state} does not run it`),
  ];
}

function runsIt(node: ClusterNode): boolean {
  return recordOf(node).active.version === NEW_VERSION;
}
