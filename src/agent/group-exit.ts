/**
 * Whether a node is out of every Raft group. What this node's own replica says is not enough: it may be behind, and a
 * group that still counts the vote of a node whose links are cut can be left without a quorum for ever.
 */

import type { GroupId, NodeId } from "../base/index.ts";
import { plainProgram } from "../domain/sql/index.ts";
import type { SqlService } from "../ports/index.ts";
import type { Consensus } from "../runtime/consensus/index.ts";
import { takesPart } from "../runtime/membership/index.ts";
import { GROUPS } from "./groups.ts";

export interface ExitParts {
  readonly consensus: Consensus;
  /** Of each group that this node holds a replica of: a strong read brings the replica up to what is committed. */
  readonly service: (group: GroupId) => SqlService | null;
}

const READ_DEADLINE_MS = 5_000;

/** One of the groups that still has it; null when it is out of all. Rejects as a strong read does. */
export async function groupStillWith(
  parts: ExitParts,
  node: NodeId,
  groups: readonly GroupId[] = GROUPS,
): Promise<GroupId | null> {
  const near = groups.find((group) => has(parts, group, node));
  if (near !== undefined) return near;
  for (const group of groups) {
    await parts.service(group)?.read(plainProgram(), {
      role: "system",
      consistency: { level: "strong" },
      deadlineMs: READ_DEADLINE_MS,
    });
    if (has(parts, group, node)) return group;
  }
  return null;
}

function has({ consensus }: ExitParts, group: GroupId, node: NodeId): boolean {
  const configuration = consensus.configuration(group);
  return configuration !== null && takesPart(configuration, node);
}
