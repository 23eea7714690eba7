/** Full disks: writes are refused or go on elsewhere, reads go on, and with room all goes on by itself. */

import type { ClusterNode } from "../cluster/cluster-node.ts";
import { type Fault, type FaultContext, hold, nameOf, pick, pickNode } from "./fault.ts";
import type { SmallDisks } from "./small-disks.ts";
import { bodyOf } from "./statements.ts";

const MIB = 1_048_576;
/** Below the reserve, nearly nothing, and nothing. */
const FREE_BYTES = [60 * MIB, 200_000, 0] as const;
/** Room for what is under way: with none at all everywhere, nobody can vote or lead either. */
const FREE_BYTES_WITH_ROOM = 20 * MIB;
const SETTLE_MS = 10_000;

/**
 * One node's disk is full: the others go on with writes. With no room for the log it falls behind, and then serves
 * local reads only.
 */
export function fullDiskOfOne(disks: SmallDisks): Fault {
  return async (context) => {
    const { cluster, random, note } = context;
    const node = await pickNode(context, 0.7);
    const at = cluster.nodes.indexOf(node);
    const freeBytes = pick(random, FREE_BYTES);
    note(`disk of ${nameOf(context, node)} has ${freeBytes} bytes left`);
    disks.fill(at, freeBytes);
    await settled(context, "writes go on", async () => (await write(context, node)) === "ok");
    const others = cluster.nodes.filter((other) => other !== node);
    await reads(context, others, ["strong", "local"]);
    await reads(context, [node], levelsWith(freeBytes));
    await hold(context, 500, 3_000);
    if (random.below(3) === 0) {
      note(`kill ${nameOf(context, node)}, its disk full`);
      await node.kill();
      node.start();
      await hold(context, 500, 2_000);
    }
    disks.empty(at);
  };
}

/**
 * All disks are full: every write is refused with SQLITE_FULL, and reads go on. With no byte left at all, nothing can
 * be voted on: then only local reads must go on.
 */
export function fullDiskOfAll(disks: SmallDisks): Fault {
  return async (context) => {
    const { cluster, random, note } = context;
    const freeBytes = pick(random, [FREE_BYTES_WITH_ROOM, ...FREE_BYTES]);
    const hasRoom = freeBytes >= FREE_BYTES_WITH_ROOM;
    note(`all disks have ${freeBytes} bytes left`);
    for (const at of cluster.nodes.keys()) disks.fill(at, freeBytes);
    await settled(context, "refusals", async () => {
      const told = await Promise.all(cluster.nodes.map((node) => write(context, node)));
      return told.every((code) => code === "SQLITE_FULL" || (!hasRoom && code !== "ok"));
    });
    await reads(context, cluster.nodes, levelsWith(freeBytes));
    await hold(context, 0, 3_000);
    for (const at of cluster.nodes.keys()) disks.empty(at);
  };
}

async function settled(
  { violated, note }: FaultContext,
  what: string,
  isSo: () => Promise<boolean>,
): Promise<void> {
  const startedMs = performance.now();
  while (!(await isSo())) {
    if (performance.now() - startedMs > SETTLE_MS) {
      return violated(`with full disks: ${what} not within ${SETTLE_MS / 1_000} s`);
    }
    await Bun.sleep(100);
  }
  note(`${what} after ${Math.round(performance.now() - startedMs)} ms`);
}

let count = 0;

/** "ok", or the code of the refusal. */
async function write({ workload, note }: FaultContext, node: ClusterNode): Promise<string> {
  const sql = "INSERT INTO reg (k, v) VALUES (?, 'x')";
  const told = await workload.sql.run(node.target, [{ sql, args: [`full-${++count}`] }]);
  if (told.kind === "ok") return "ok";
  const code = told.kind === "error" ? told.code : told.kind;
  note(`a write through ${node.state} gave ${code}`);
  return code;
}

function levelsWith(freeBytes: number): readonly string[] {
  return freeBytes >= FREE_BYTES_WITH_ROOM ? ["strong", "local"] : ["local"];
}

/** Each of the nodes serves such reads. */
async function reads(
  { workload, violated }: FaultContext,
  nodes: readonly ClusterNode[],
  levels: readonly string[],
): Promise<void> {
  for (const node of nodes) {
    for (const level of levels) {
      const told = await workload.sql.run(
        node.target,
        [{ sql: "SELECT id, body FROM ins LIMIT 1" }],
        { headers: { "Mycelium-Consistency": level } },
      );
      const [id, body] = told.kind === "ok" ? (told.results[0]?.[0] ?? []) : [];
      if (typeof id === "string" && body === bodyOf(id)) continue;
      violated(
        `with full disks: a ${level} read through ${node.state} gave ${JSON.stringify(told)}`,
      );
    }
  }
}
