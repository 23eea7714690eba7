/** Every sync takes as long as on an SD card: writes go on, and nobody stands for election because of it. */

import { until } from "../cluster/processes.ts";
import type { Fault, FaultContext } from "./fault.ts";
import type { PowerDisk } from "./power-disk.ts";

/** One turn of it. */
export const SLOW_TURN_MS = 10_000;
const LOOK_MS = 500;

/** Slow from here on: a turn of steady writes, with the same leaders in the same terms at its end. */
export function slowTurn(disk: PowerDisk, syncMs: number): Fault {
  return async (context) => {
    const { cluster, workload, violated } = context;
    await disk.slow(syncMs);
    await until("a leader of each group", () => settled(context));
    const before = await leaderships(context);
    const ackedBefore = workload.inserts.acknowledgedCount;
    for (let passedMs = 0; passedMs < SLOW_TURN_MS; passedMs += LOOK_MS) {
      await Bun.sleep(LOOK_MS);
      const now = await leaderships(context);
      if (now === before) continue;
      violated(`an election while syncs take ${syncMs} ms: ${before} became ${now}`);
      return;
    }
    if (workload.inserts.acknowledgedCount === ackedBefore) {
      violated(`no write was acknowledged in ${SLOW_TURN_MS} ms on ${cluster.nodes.length} nodes`);
    }
  };
}

async function settled(context: FaultContext): Promise<true | null> {
  return (await leaderships(context)).includes("nobody") ? null : true;
}

/** Every node's view of every group: "n0: main nX in 3, system nX in 3". */
async function leaderships({ cluster }: FaultContext): Promise<string> {
  const views = cluster.nodes.map(async (node, i) => {
    const { raft } = await node.status();
    const groups = raft.groups.map(({ id, leader, term }) => {
      const at = cluster.nodes.findIndex((one) => one.id === leader);
      return `${id} ${at < 0 ? "nobody" : `n${at}`} in ${term}`;
    });
    return `n${i}: ${groups.join(", ")}`;
  });
  return (await Promise.all(views)).join("; ");
}
