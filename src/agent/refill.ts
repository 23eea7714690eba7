/** What a damaged database can be made from again: other replicas, or this node's own log. */

import { type GroupId, type LogIndex, type NodeId, nodeOfReplica } from "../base/index.ts";
import { BOOTSTRAP_INDEX } from "../domain/raft/index.ts";
import type { Consensus } from "../runtime/consensus/index.ts";
import type { Refill } from "../runtime/store/index.ts";

/** Said of a database that holds less than the log was cut for. */
export const EMPTY_REASON = "it was damaged and emptied before";

export function otherReplicas(
  consensus: Consensus,
  group: GroupId,
  self: NodeId,
): readonly NodeId[] {
  const configuration = consensus.configuration(group);
  if (configuration === null) return [];
  const replicas = [
    ...configuration.voters.map((voter) => voter.replica),
    ...configuration.learners,
  ];
  return replicas.map(nodeOfReplica).filter((node) => node !== self);
}

/** See `Refill`. A replica that nobody has told yet who else takes part is not the only one. */
export function refillFrom(consensus: Consensus, group: GroupId, self: NodeId): Refill {
  const status = consensus.groupStatus(group);
  const isAlone = otherReplicas(consensus, group, self).length === 0;
  if (status === null || status.members.length === 0 || !isAlone) return "copy";
  const isWhole = status.firstIndex <= BOOTSTRAP_INDEX + 1 && status.damagedUpTo === null;
  return isWhole ? "log" : "nothing";
}

/** Whether the log begins behind what the database has applied. */
export function lacksState(consensus: Consensus, group: GroupId, applied: LogIndex): boolean {
  const first = consensus.groupStatus(group)?.firstIndex ?? 0;
  return first > BOOTSTRAP_INDEX + 1 && applied < first - 1;
}
