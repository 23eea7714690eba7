/** A fault: something is broken while clients go on, and all of it is mended when it resolves. */

import type { Random } from "../../src/base/index.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { ClusterNode } from "../cluster/cluster-node.ts";
import type { Workload } from "./workload.ts";

export interface FaultContext {
  readonly cluster: Cluster;
  readonly workload: Workload;
  readonly random: Random;
  /** Within this all must be whole again once a fault is mended. */
  readonly healTimeoutMs: number;
  readonly violated: (what: string) => void;
  /** What is done, for the trace. */
  readonly note: (what: string) => void;
}

export type Fault = (context: FaultContext) => Promise<void>;

/** Some time from `minMs` to `maxMs`. */
export async function hold({ random }: FaultContext, minMs: number, maxMs: number): Promise<void> {
  await Bun.sleep(minMs + (maxMs - minMs) * random.float());
}

/** Any node, or by a coin the leader. */
export async function pickNode(context: FaultContext, leaderShare = 0.5): Promise<ClusterNode> {
  const { cluster, random } = context;
  const leader = random.float() < leaderShare ? await cluster.leader() : null;
  return leader ?? pick(random, cluster.nodes);
}

export function pick<T>(random: Random, from: readonly T[]): T {
  const one = from[random.below(from.length)];
  if (one === undefined) throw new Error("nothing to pick from");
  return one;
}

/** All in another order. */
export function shuffled<T>(random: Random, from: readonly T[]): T[] {
  const all = [...from];
  for (let i = all.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [all[i], all[j]] = [all[j] as T, all[i] as T];
  }
  return all;
}

export function nameOf(context: FaultContext, node: ClusterNode): string {
  return `n${context.cluster.nodes.indexOf(node)}`;
}
