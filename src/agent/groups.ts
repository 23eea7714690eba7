/** The Raft groups of this version, which nodes hold a replica of each, and how they begin. */

import {
  asGroupId,
  asTerm,
  type GroupId,
  type LogIndex,
  type NodeId,
  replicaOfNode,
} from "../base/index.ts";
import type { NodeRole } from "../domain/identity/index.ts";
import {
  BOOTSTRAP_INDEX,
  EMPTY_CONFIGURATION,
  encodeConfiguration,
  makeConfiguration,
} from "../domain/raft/index.ts";
import type { LogStore } from "../ports/index.ts";

/** Membership, tokens, grants: on validators only. */
export const SYSTEM = asGroupId("system");
/** What users store: on validators, and on miners as learners. */
export const MAIN = asGroupId("main");
export const GROUPS: readonly GroupId[] = [SYSTEM, MAIN];

export function groupsFor(role: NodeRole): readonly GroupId[] {
  if (role === "validator") return GROUPS;
  return role === "miner" ? [MAIN] : [];
}

/** The groups of a new network, with its first node as the only voter. */
export async function createFirstGroups(
  log: LogStore,
  node: NodeId,
  weight: number,
): Promise<void> {
  const voters = [{ replica: replicaOfNode(node, 0), weight }];
  const configuration = encodeConfiguration(makeConfiguration({ voters }));
  for (const group of GROUPS) {
    await log.create(group, { index: BOOTSTRAP_INDEX, term: asTerm(1), configuration });
  }
}

/** Empty groups of a joiner, which waits to be told who takes part. */
export async function createEmptyGroups(log: LogStore, groups: readonly GroupId[]): Promise<void> {
  const configuration = encodeConfiguration(EMPTY_CONFIGURATION);
  for (const group of groups) {
    await log.create(group, { index: 0 as LogIndex, term: asTerm(0), configuration });
  }
}
