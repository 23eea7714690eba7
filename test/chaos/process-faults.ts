/** kill -9 and SIGSTOP. */

import type { ClusterNode } from "../cluster/cluster-node.ts";
import { type Fault, type FaultContext, hold, nameOf, pickNode, shuffled } from "./fault.ts";

/** Kills one node: the leader every second time. Now and then it is killed again while it comes back. */
export const killOne: Fault = async (context) => {
  const node = await pickNode(context);
  await kill(context, node);
  await hold(context, 0, context.random.below(4) === 0 ? 3_000 : 800);
  node.start();
  if (context.random.below(5) > 0) return;
  await hold(context, 20, 900);
  await kill(context, node);
  node.start();
};

/** All but one are killed one after the other: writes stop, and go on when enough are back. */
export const killMost: Fault = async (context) => {
  const nodes = shuffled(context.random, context.cluster.nodes).slice(1);
  for (const node of nodes) {
    await kill(context, node);
    await hold(context, 0, 300);
  }
  await hold(context, 0, 1_000);
  for (const node of nodes) {
    node.start();
    await hold(context, 0, 300);
  }
};

export const killAll: Fault = async (context) => {
  const nodes = shuffled(context.random, context.cluster.nodes);
  await Promise.all(nodes.map((node) => kill(context, node)));
  await hold(context, 0, 200);
  for (const node of nodes) {
    node.start();
    await hold(context, 0, 200);
  }
};

/** A process that stands still for seconds and then goes on as if nothing had been: the old leader must notice. */
export const pauseOne: Fault = async (context) => {
  const node = await pickNode(context, 0.7);
  context.note(`pause ${nameOf(context, node)}`);
  node.pause();
  await hold(context, 300, 4_000);
  node.resume();
};

async function kill(context: FaultContext, node: ClusterNode): Promise<void> {
  context.note(`kill ${nameOf(context, node)}`);
  await node.kill();
}
