/** The network as one node sees it, for what it does in rollouts. */

import { type NodeId, nodeOfReplica } from "../base/index.ts";
import { VERSION } from "../domain/api/index.ts";
import {
  type Decider,
  decisionParticipants,
  frozenProblem,
  type Participant,
  voteWeight,
} from "../domain/trust/index.ts";
import { type GroupVoters, isInWindow, mayGoDown } from "../domain/update/index.ts";
import type { Surroundings } from "../runtime/update/index.ts";
import type { Core } from "./core.ts";
import { GROUPS } from "./groups.ts";

/** Validators decide, with the weight of their tier, levelled for decisions. */
export function participants(core: Core): readonly Participant[] {
  return decisionParticipants(new Map(deciders(core).map(({ node, weight }) => [node, weight])));
}

/** What is wrong with participants that somebody froze; null when they are the network's. */
export function frozenObjection(
  core: Core,
  frozen: readonly Participant[],
  openedAtMs: number,
): string | null {
  const { membership } = core;
  return frozenProblem(frozen, openedAtMs, deciders(core), (node) => membership.isRevoked(node));
}

function deciders({ membership }: Core): readonly Decider[] {
  return membership
    .members()
    .filter(({ role, state }) => role === "validator" && state === "active")
    .map(({ id, tier, validatorWeight, joinedAtMs }) => ({
      node: id,
      weight: voteWeight(tier, validatorWeight),
      joinedAtMs,
    }));
}

export function decisionWeights(core: Core): ReadonlyMap<NodeId, number> {
  return new Map(participants(core).map(({ node, weight }) => [node, weight]));
}

/**
 * Of all members that run a core: this node as what it runs now, others by what they reported in the last rollout or
 * else announced when they last could.
 */
export function runningVersions(
  { grant, membership }: Core,
  reported: ReadonlyMap<NodeId, { readonly version: string }>,
): readonly string[] {
  const others = membership
    .members()
    .filter(({ id, class: kind, state }) => {
      return id !== grant.member && kind !== "hypha" && state === "active";
    })
    .map(({ id, version }) => reported.get(id)?.version ?? version)
    .filter((version) => version !== "");
  return [VERSION, ...others];
}

export function surroundings(core: Core): Surroundings {
  const { consensus, grant, links, membership } = core;
  const members = membership
    .members()
    .filter(({ class: kind, state }) => kind !== "hypha" && state === "active")
    .map(({ id }) => id);
  const { groups } = consensus.status();
  return {
    leader: grant.member,
    leaders: new Set(groups.flatMap(({ leader }) => leader ?? [])),
    groups: groupVoters(core),
    members,
    away: awayFrom(core, members),
    unseenMs: (node) => (node === grant.member ? 0 : links.unseenMs(node)),
  };
}

/** Whether every quorum stays without this node, whatever the leader says. */
export function canBeSpared(core: Core): boolean {
  const { grant } = core;
  const members = core.membership.members().map(({ id }) => id);
  return mayGoDown(groupVoters(core), awayFrom(core, members), [grant.member]);
}

/** By this machine's local time. */
export function isWindowOpen({ config, host }: Core): boolean {
  if (config.updateWindow === null) return true;
  const now = new Date(host.clock.wallMs());
  return isInWindow(config.updateWindow, now.getHours() * 60 + now.getMinutes());
}

function awayFrom({ grant, links }: Core, members: readonly NodeId[]): ReadonlySet<NodeId> {
  return new Set(members.filter((node) => node !== grant.member && !links.isUp(node)));
}

/** Both halves of a configuration that is changing need their quorum. */
function groupVoters({ consensus }: Core): readonly GroupVoters[] {
  return GROUPS.flatMap((group) => {
    const configuration = consensus.configuration(group);
    if (configuration === null) return [];
    return [configuration.voters, configuration.outgoing].map((voters) => ({
      group,
      voters: voters.map(({ replica, weight }) => ({ node: nodeOfReplica(replica), weight })),
    }));
  });
}
