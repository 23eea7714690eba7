/** Links between nodes cut, all of a node's, some, or in one direction only. Clients reach every node throughout. */

import type { Cuts } from "../cluster/test-network.ts";
import { type Fault, hold, nameOf, pick, pickNode } from "./fault.ts";

type Shape = (cuts: Cuts, one: number, others: readonly number[]) => void;

const SHAPES: Readonly<Record<string, Shape>> = {
  isolated(cuts, one, others) {
    for (const other of others) cutBoth(cuts, one, other);
  },
  deaf(cuts, one, others) {
    for (const other of others) cuts.cut(other, one);
  },
  mute(cuts, one, others) {
    for (const other of others) cuts.cut(one, other);
  },
  "without one link"(cuts, one, others) {
    cutBoth(cuts, one, others[0] ?? one);
  },
  "one way without one link"(cuts, one, others) {
    cuts.cut(one, others[0] ?? one);
  },
};

function cutBoth(cuts: Cuts, a: number, b: number): void {
  cuts.cut(a, b);
  cuts.cut(b, a);
}

export const partition: Fault = async (context) => {
  const { cluster, random } = context;
  const { cuts } = cluster.network;
  if (cuts === null) throw new Error("links cannot be cut here");
  const node = await pickNode(context, 0.6);
  const one = cluster.nodes.indexOf(node);
  const others = cluster.nodes.map((_, i) => i).filter((i) => i !== one);
  const shape = pick(random, Object.keys(SHAPES));
  context.note(`${nameOf(context, node)} is ${shape}`);
  SHAPES[shape]?.(cuts, one, others);
  await hold(context, 500, 6_000);
  cuts.heal();
};
