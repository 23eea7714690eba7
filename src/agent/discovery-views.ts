/** The member list and the primary as discovery asks for them. */

import { nodeOfReplica } from "../base/index.ts";
import { encodeConfiguration } from "../domain/raft/index.ts";
import type { Consensus } from "../runtime/consensus/index.ts";
import type { MemberView, PrimaryState } from "../runtime/discovery/index.ts";
import type { Member, Membership } from "../runtime/membership/index.ts";
import { GROUPS, SYSTEM } from "./groups.ts";

interface Parts {
  readonly consensus: Consensus;
  readonly membership: Membership;
}

export function memberView(parts: Parts): MemberView {
  const { membership } = parts;
  return {
    known: () =>
      votersFirst(parts).map(({ id, addresses, multiaddrs }) => {
        return { node: id, addresses, multiaddrs };
      }),
    isRevoked: (node) => membership.isRevoked(node),
    mayVote: (node) => membership.isValidator(node),
  };
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
