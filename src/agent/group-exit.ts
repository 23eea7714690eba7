/**
 * Whether a node is out of every Raft group. What this node's own replica says is not enough: it may be behind, or hold
 * a change that never is committed, and a group that still counts the vote of a node whose links are cut can be left
 * without a quorum for ever.
 */

import type { GroupId, NodeId } from "../base/index.ts";
import { plainProgram } from "../domain/sql/index.ts";
import type { SqlService } from "../ports/index.ts";
import type { Consensus } from "../runtime/consensus/index.ts";
import { takesPart } from "../runtime/membership/index.ts";
import { GROUPS } from "./groups.ts";

export interface ExitParts {
  readonly consensus: Pick<Consensus, "configuration" | "groupStatus">;
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
    await bringUp(parts, group);
    if (mayHave(parts, group, node)) return group;
  }
  return null;
}

/** From here on this node's replica has all that was committed before. Rejects as a strong read does. */
export async function bringUp({ service }: ExitParts, group: GroupId): Promise<void> {
  await service(group)?.read(plainProgram(), {
    role: "system",
    consistency: { level: "strong" },
    deadlineMs: READ_DEADLINE_MS,
  });
}

/**
 * True also while a change of members is under way, which may yet be undone, and while a snapshot is installed: its
 * database is there before its configuration.
 */
function mayHave(parts: ExitParts, group: GroupId, node: NodeId): boolean {
  const status = parts.consensus.groupStatus(group);
  const isUnsettled = status?.isChanging === true || status?.isInstalling === true;
  return isUnsettled || has(parts, group, node);
}

function has({ consensus }: ExitParts, group: GroupId, node: NodeId): boolean {
  const configuration = consensus.configuration(group);
  return configuration !== null && takesPart(configuration, node);
}
