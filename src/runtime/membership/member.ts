/** A member of the network as all nodes know it, and the codec of member lists. */

import { asLogIndex, type LogIndex, type NodeId } from "../../base/index.ts";
import {
  type NodeClass,
  type NodeRole,
  nodeClassShape,
  nodeIdShape,
  nodeRoleShape,
  type TrustTier,
  tierShape,
  timeShape,
} from "../../domain/identity/index.ts";
import { VALIDATOR_WEIGHT_MAX } from "../../domain/trust/index.ts";
import {
  added,
  decodeCbor,
  encodeCbor,
  integer,
  list,
  malformed,
  mapped,
  object,
  oneOf,
  type Shape,
  text,
} from "../../domain/wire/index.ts";

/** What a node says of itself; it may change with every start. */
export interface Announcement {
  /** "host:port" of P2P_PORT, best first. */
  readonly addresses: readonly string[];
  /** "host:port" of PORT, best first: where others enrol and clients connect. */
  readonly apiAddresses: readonly string[];
  /** libp2p multiaddrs for gossip; empty when it takes no part. */
  readonly multiaddrs: readonly string[];
  readonly validatorWeight: number;
  /** Release of the software. */
  readonly version: string;
}

export interface Member extends Announcement {
  readonly id: NodeId;
  readonly class: NodeClass;
  readonly role: NodeRole;
  readonly tier: TrustTier;
  /** A leaving member holds no replica any more; its row goes once it is out of every group. */
  readonly state: "active" | "leaving";
  /** Counts its lives as a replica: one more after its log was lost. */
  readonly replicaLife: number;
  readonly joinedAtMs: number;
}

/** Somebody who is no member any more. */
export interface RevokedNode {
  readonly id: NodeId;
  /** `left` may come back with a new token; `removed` never. */
  readonly reason: "left" | "removed";
}

export interface MemberList {
  readonly members: readonly Member[];
  readonly revoked: readonly RevokedNode[];
  /**
   * It holds at least what the log of `system` says up to this index: of two lists the one with the higher index is the
   * newer. 0 in what release 0.1 wrote: nobody knows.
   */
  readonly asOf: LogIndex;
}

export const MEMBERS_MAX = 10_000;
/** Bound of an encoded list, in bytes. */
export const MEMBER_LIST_SIZE_BYTES_MAX = 16_777_216;
const ADDRESSES_MAX = 16;
const ADDRESS_LENGTH_MAX = 256;

/** Printable ASCII without spaces: addresses reach logs and terminals. */
const addressShape: Shape<string> = mapped(text(ADDRESS_LENGTH_MAX), (address, path) => {
  if (!/^[!-~]+$/.test(address)) throw malformed(path, "an address", address);
  return address;
});
const versionTextShape: Shape<string> = mapped(text(64), (version, path) => {
  if (!/^[0-9A-Za-z.+-]*$/.test(version)) throw malformed(path, "a version", version);
  return version;
});

const announcementFields = {
  addresses: list(addressShape, ADDRESSES_MAX),
  apiAddresses: list(addressShape, ADDRESSES_MAX),
  multiaddrs: list(addressShape, ADDRESSES_MAX),
  validatorWeight: integer(1, VALIDATOR_WEIGHT_MAX),
  version: versionTextShape,
};

export const announcementShape: Shape<Announcement> = object(announcementFields);

export const memberShape: Shape<Member> = object({
  ...announcementFields,
  id: nodeIdShape,
  class: nodeClassShape,
  role: nodeRoleShape,
  tier: tierShape,
  state: oneOf("active", "leaving"),
  replicaLife: integer(0, 1_000_000),
  joinedAtMs: timeShape,
});

export const memberListShape: Shape<MemberList> = object({
  members: list(memberShape, MEMBERS_MAX),
  revoked: list(object({ id: nodeIdShape, reason: oneOf("left", "removed") }), MEMBERS_MAX),
  asOf: added(mapped(integer(), asLogIndex), asLogIndex(0)),
});

/** For nodes that hold no replica of `system`, and for the cache on disk. */
export function encodeMemberList(list: MemberList): Uint8Array {
  return encodeCbor(memberListFields(list));
}

/** The list as a part of what is encoded. */
export function memberListFields({ members, revoked, asOf }: MemberList) {
  return {
    members: members.map((member) => ({ ...member })),
    revoked: revoked.map((one) => ({ ...one })),
    asOf,
  };
}

/** Throws MALFORMED. Bound the size by MEMBER_LIST_SIZE_BYTES_MAX before. */
export function decodeMemberList(encoded: Uint8Array): MemberList {
  return memberListShape(decodeCbor(encoded), "member list");
}

export function encodeAnnouncement(announcement: Announcement): Uint8Array {
  const { addresses, apiAddresses, multiaddrs, validatorWeight, version } = announcement;
  return encodeCbor({ addresses, apiAddresses, multiaddrs, validatorWeight, version });
}

/** Throws MALFORMED. */
export function decodeAnnouncement(encoded: Uint8Array): Announcement {
  return announcementShape(decodeCbor(encoded), "announcement");
}
