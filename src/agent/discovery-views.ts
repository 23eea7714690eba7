/** The member list and the primary as discovery asks for them. */

import { nodeOfReplica } from "../base/index.ts";
import { encodeConfiguration } from "../domain/raft/index.ts";
import type { Consensus } from "../runtime/consensus/index.ts";
import type { KnownPeer, MemberView, PrimaryState } from "../runtime/discovery/index.ts";
import type { Member, Membership } from "../runtime/membership/index.ts";
import { GROUPS, SYSTEM } from "./groups.ts";

interface Parts {
  readonly consensus: Consensus;
  readonly membership: Membership;
}

export function memberView(parts: Parts): MemberView {
  const { membership } = parts;
  return {
    known: () => [...listed(parts), ...unlisted(membership)],
    isRevoked: (node) => membership.isRevoked(node),
    mayVote: (node) => membership.isValidator(node),
  };
}

/** Whether no group that this node takes part in has a leader, as far as it knows. */
export function followsNobody({ consensus }: Pick<Parts, "consensus">): boolean {
  return consensus.status().groups.every(({ leader }) => leader === null);
}

/** Null on a node without a replica of it. */
export function primaryOf({ consensus }: Pick<Parts, "consensus">): PrimaryState | null {
  const status = consensus.groupStatus(SYSTEM);
  const configuration = consensus.configuration(SYSTEM);
  if (status === null || configuration === null) return null;
  return {
    term: status.term,
    leader: status.leader,
    leads: status.isReady,
    commitIndex: status.commitIndex,
    lastIndex: status.lastIndex,
    configuration: encodeConfiguration(configuration),
  };
}

function listed(parts: Parts): readonly KnownPeer[] {
  return votersFirst(parts).map(({ id, addresses, multiaddrs }) => {
    return { node: id, addresses, multiaddrs };
  });
}

/** Members of an earlier list, or proven on a link: an own replica that is behind must not cost the links to catch up. */
function unlisted(membership: Membership): readonly KnownPeer[] {
  return membership
    .peers()
    .filter(({ node }) => membership.member(node) === undefined)
    .map(({ node, addresses }) => ({ node, addresses, multiaddrs: [] }));
}

/** Links are limited in number: with those who may lead this node must have one, else it hears of nothing. */
function votersFirst({ consensus, membership }: Parts): readonly Member[] {
  const voting = new Set(
    GROUPS.flatMap((group) => consensus.configuration(group)?.voters ?? []).map(({ replica }) =>
      nodeOfReplica(replica),
    ),
  );
  const rank = ({ id, role }: Member) => (voting.has(id) ? 0 : role === "validator" ? 1 : 2);
  return [...membership.members()].sort((a, b) => rank(a) - rank(b));
}
