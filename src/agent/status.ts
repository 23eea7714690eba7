/** Builds the status: one truthful picture from what every part says of itself. */

import type { NodeId } from "../base/index.ts";
import {
  type GroupStatus as GroupView,
  type PeerStatus,
  type Problem,
  type Status,
  VERSION,
} from "../domain/api/index.ts";
import type { ConsensusStatus, GroupStatus } from "../runtime/consensus/index.ts";
import { MAIN } from "./groups.ts";
import type { Picture, ShardPicture } from "./picture.ts";
import { problemsOf } from "./problems.ts";

export function statusOf(picture: Picture): Status {
  const { network, grant, consensus, shards, uptimeMs, state } = picture;
  const main = consensus.groups.find((group) => group.group === MAIN);
  const problems = problemsOf(picture);
  const shardViews = shards.map((shard) => shardView(shard, consensus));
  const mainShard = shardViews.find((shard) => shard.name === MAIN);
  return {
    node: {
      id: grant.member,
      class: grant.class,
      role: grant.role,
      tier: grant.tier,
      voteWeight: main === undefined ? 0 : weightOf(main, grant.member),
      version: VERSION,
      uptimeMs: Math.round(uptimeMs),
      state,
    },
    network: { id: network.id, name: network.genesis.name },
    listen: picture.listen,
    raft: {
      leader: main?.leader ?? null,
      term: main?.term ?? 0,
      groups: consensus.groups.map((group) => groupView(group)),
    },
    store: {
      applied: mainShard?.applied ?? 0,
      lag: mainShard?.lag ?? 0,
      shards: shardViews,
      stateDirectory: picture.stateDirectory,
      diskFreeBytes: picture.diskFreeBytes,
    },
    peers: peerViews(picture, main),
    spores: picture.spores,
    memoryBytes: picture.memoryBytes,
    update: picture.update,
    healthy: problems.every((problem: Problem) => problem.severity !== "fault"),
    problems: [...problems],
  };
}

function weightOf(group: GroupStatus, node: NodeId): number {
  return group.members.find((member) => member.node === node)?.weight ?? 0;
}

function shardView(
  shard: ShardPicture,
  consensus: ConsensusStatus,
): Status["store"]["shards"][number] {
  const { appliedIndex, receivedIndex, readOnly } = shard.store;
  const commit =
    consensus.groups.find((group) => group.group === shard.id)?.commitIndex ?? receivedIndex;
  return {
    name: shard.id,
    applied: appliedIndex,
    lag: Math.max(0, commit - appliedIndex),
    sizeBytes: shard.sizeBytes,
    readOnly,
  };
}

function groupView(status: GroupStatus): GroupView {
  const leads = status.role === "leader";
  return {
    id: status.group,
    role: status.role === "preCandidate" ? "candidate" : status.role,
    leader: status.leader,
    term: status.term,
    commit: status.commitIndex,
    applied: status.appliedIndex,
    last: status.lastIndex,
    replicas: status.members.map((member) => {
      const progress = status.peers.find((peer) => peer.replica === member.replica);
      const own = member.replica === status.replica;
      return {
        node: member.node,
        weight: member.weight,
        voter: member.weight > 0,
        match: own ? status.lastIndex : leads ? (progress?.matchIndex ?? null) : null,
        lag: own ? 0 : leads ? (progress?.lag ?? null) : null,
      };
    }),
  };
}

function peerViews(picture: Picture, main: GroupStatus | undefined): PeerStatus[] {
  const { grant, links, linkStatuses, members } = picture;
  return members
    .filter((member) => member.id !== grant.member)
    .map((member) => {
      const link = linkStatuses.find((one) => one.node === member.id);
      const state = link?.state ?? "down";
      return {
        id: member.id,
        class: member.class,
        role: member.role,
        tier: member.tier,
        voteWeight: main === undefined ? 0 : weightOf(main, member.id),
        link: state,
        addresses: member.addresses,
        version: member.version,
        roundTripMs: link?.roundTripMs ?? null,
        unseenMs: state === "up" ? null : Math.round(links.unseenMs(member.id)),
        lastError: link?.lastError ?? null,
      };
    });
}
