/** A node is away for so long that the others have cut the log it needs: it must come back by a snapshot. */

import type { ClusterNode } from "../cluster/cluster-node.ts";
import { type Fault, type FaultContext, nameOf, pickNode } from "./fault.ts";

/** Over the entries a leader keeps behind its snapshot and the least it cuts at once (4,096 and 1,024). */
const ENTRY_COUNT = 5_500;
const WRITER_COUNT = 4;
/** Over the time between two checkpoints, after which the log is cut (30 s). */
const CUT_WAIT_MS = 33_000;

export const leaveBehind: Fault = async (context) => {
  const { cluster, note } = context;
  const node = await pickNode(context, 0.3);
  note(`${nameOf(context, node)} is away for ${ENTRY_COUNT} entries`);
  await node.kill();
  const others = cluster.nodes.filter((other) => other !== node);
  const from = await lastIndex(others);
  while ((await lastIndex(others)) < from + ENTRY_COUNT) {
    await Promise.all(
      Array.from({ length: WRITER_COUNT }, (_, i) => writeSome(context, others, i)),
    );
  }
  await Bun.sleep(CUT_WAIT_MS);
  node.start();
};

async function lastIndex(nodes: readonly ClusterNode[]): Promise<number> {
  const indexes = nodes.map(async (node) => {
    const { raft } = await node.status();
    return raft.groups.find(({ id }) => id === "main")?.last ?? 0;
  });
  return Math.max(...(await Promise.all(indexes)));
}

async function writeSome(
  { workload }: FaultContext,
  nodes: readonly ClusterNode[],
  writer: number,
): Promise<void> {
  for (let i = 0; i < 100; i++) {
    const node = nodes[i % nodes.length];
    if (node === undefined) return;
    await workload.sql.run(node.target, [
      {
        sql: "INSERT INTO reg (k, v) VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v",
        args: [`behind-${writer}`, String(i)],
      },
    ]);
  }
}
