/** For tests: the status of a group as its leader, node a, has it; all learners have caught up. */

import {
  asLogIndex,
  asNodeId,
  asReplicaId,
  asTerm,
  type GroupId,
  nodeOfReplica,
} from "../../base/index.ts";
import type { Configuration } from "../../domain/raft/index.ts";
import type { GroupStatus, PeerProgress } from "../../runtime/consensus/index.ts";

export function leading(group: GroupId, { learners }: Configuration): GroupStatus {
  const index = asLogIndex(9);
  const peers = learners.map((replica): PeerProgress => {
    const node = nodeOfReplica(replica);
    return { replica, node, state: "replicate", matchIndex: index, lag: 0, isActive: true };
  });
  return {
    group,
    replica: asReplicaId("a"),
    role: "leader",
    term: asTerm(1),
    leader: asNodeId("a"),
    isReady: true,
    commitIndex: index,
    appliedIndex: index,
    lastIndex: index,
    firstIndex: asLogIndex(1),
    members: [],
    isChanging: false,
    peers,
    damagedUpTo: null,
    isInstalling: false,
    installError: null,
  };
}
