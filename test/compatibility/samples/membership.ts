/** Enrolment over HTTP, and members as shard `system`, caches and answers to other nodes have them. */

import { asLogIndex } from "../../../src/base/index.ts";
import {
  decodeEnrolContent,
  decodeEnrolReply,
  decodeEnrolRequest,
  decodeJoinerSelf,
  encodeEnrolContent,
  encodeEnrolReply,
  encodeEnrolRequest,
  encodeJoinerSelf,
} from "../../../src/runtime/membership/enrol-message.ts";
import {
  decodeMemberList,
  encodeMemberList,
  openAnnouncement,
  signAnnouncement,
} from "../../../src/runtime/membership/index.ts";
import {
  type Announcement,
  decodeAnnouncement,
  encodeAnnouncement,
  type MemberList,
} from "../../../src/runtime/membership/member.ts";
import type { Sample } from "../sample.ts";
import { joinersChain } from "./identity.ts";
import { filled, ids, joiner, NOW_MS, network, part, tokenKey } from "./world.ts";

const ANNOUNCEMENT: Announcement = {
  addresses: ["10.0.0.1:9090", "[fd00::1]:9090"],
  apiAddresses: ["10.0.0.1:8080"],
  multiaddrs: ["/ip4/10.0.0.1/tcp/9091"],
  validatorWeight: 3,
  version: "0.1.0",
};
const [first, second, third] = ids as [(typeof ids)[0], (typeof ids)[0], (typeof ids)[0]];
const MEMBERS: MemberList = {
  members: [
    {
      ...ANNOUNCEMENT,
      id: first,
      class: "sclerotium",
      role: "validator",
      tier: 0,
      state: "active",
      replicaLife: 2,
      joinedAtMs: NOW_MS,
    },
    {
      ...ANNOUNCEMENT,
      id: second,
      class: "hypha",
      role: null,
      tier: 2,
      state: "leaving",
      replicaLife: 0,
      joinedAtMs: NOW_MS,
    },
  ],
  revoked: [{ id: third, reason: "removed" }],
  asOf: asLogIndex(41),
};

export const membershipSamples: readonly Sample[] = [
  {
    name: "announcement",
    form: "cbor",
    writers: ["runtime/membership/member.ts encodeAnnouncement"],
    write: () => encodeAnnouncement(ANNOUNCEMENT),
    read: decodeAnnouncement,
  },
  {
    name: "announcement of a node that cannot write",
    form: "cbor",
    writers: ["runtime/membership/announcement-statement.ts signAnnouncement"],
    write: () => signAnnouncement(joiner, network.id, ANNOUNCEMENT),
    read: (bytes) => openAnnouncement(bytes, network.id, joiner.nodeId),
  },
  {
    name: "member list",
    form: "cbor",
    writers: ["runtime/membership/member.ts encodeMemberList"],
    write: () => encodeMemberList(MEMBERS),
    read: decodeMemberList,
  },
  {
    name: "enrolment request",
    form: "cbor",
    writers: ["runtime/membership/enrol-message.ts encodeEnrolRequest"],
    write: () =>
      encodeEnrolRequest({
        join: part,
        tokenKey: tokenKey.publicKey,
        self: filled(9, 1),
        nodeSignature: filled(64, 2),
      }),
    read: decodeEnrolRequest,
  },
  {
    name: "joiner of an enrolment",
    form: "cbor",
    writers: ["runtime/membership/enrol-message.ts encodeJoinerSelf"],
    write: () => encodeJoinerSelf({ announcement: ANNOUNCEMENT, minProtocolVersion: "1.0.0" }),
    read: decodeJoinerSelf,
  },
  {
    name: "enrolment reply",
    form: "cbor",
    writers: ["runtime/membership/enrol-message.ts encodeEnrolReply"],
    write: () =>
      encodeEnrolReply({ sealed: filled(80, 3), grant: joinersChain(), signature: filled(64, 4) }),
    read: decodeEnrolReply,
  },
  {
    name: "content of an enrolment reply",
    form: "cbor",
    writers: ["runtime/membership/enrol-message.ts encodeEnrolContent"],
    write: () =>
      encodeEnrolContent({
        genesis: network.encoded,
        isolationKey: filled(32, 9),
        grant: joinersChain(),
        members: MEMBERS,
        groups: ["system", "main"],
      }),
    read: decodeEnrolContent,
  },
];
