/** The two messages of an enrolment over HTTP. Both are signed; what is secret is sealed to the joiner. */

import { createHash } from "node:crypto";
import { concatBytes, MyceliumError } from "../../base/index.ts";
import { type SignedPart, signedPartShape, tagged } from "../../domain/identity/index.ts";
import {
  bytes,
  decodeCbor,
  encodeCbor,
  list,
  mapped,
  object,
  type Shape,
  text,
} from "../../domain/wire/index.ts";
import {
  type Announcement,
  announcementShape,
  MEMBER_LIST_SIZE_BYTES_MAX,
  type MemberList,
  memberListFields,
  memberListShape,
} from "./member.ts";

export interface EnrolRequest {
  /** The join statement under the token's key. */
  readonly join: SignedPart;
  readonly tokenKey: Uint8Array;
  /** An encoded `JoinerSelf`. */
  readonly self: Uint8Array;
  /** The joiner's node key over join statement and self. */
  readonly nodeSignature: Uint8Array;
}

/** What the joiner says of itself. */
export interface JoinerSelf {
  readonly announcement: Announcement;
  readonly minProtocolVersion: string;
}

export interface EnrolReply {
  /** An encoded `EnrolContent`, sealed to the joiner's reply key. */
  readonly sealed: Uint8Array;
  /** The responder's encoded grant. */
  readonly grant: Uint8Array;
  /** The responder's node key over the join statement and the sealed part. */
  readonly signature: Uint8Array;
}

export interface EnrolContent {
  readonly genesis: Uint8Array;
  readonly isolationKey: Uint8Array;
  /** The joiner's encoded grant. */
  readonly grant: Uint8Array;
  readonly members: MemberList;
  /** Raft groups that the joiner takes part in. */
  readonly groups: readonly string[];
}

export const ENROL_REQUEST_SIZE_BYTES_MAX = 32_768;
export const ENROL_REPLY_SIZE_BYTES_MAX = MEMBER_LIST_SIZE_BYTES_MAX + 1_048_576;
/** What the sealed box is for. */
export const ENROL_BOX_PURPOSE = "enrol";
const GENESIS_MAX = 65_536;
const GRANT_MAX = 16_384;

const requestShape: Shape<EnrolRequest> = object({
  join: signedPartShape(1_024),
  tokenKey: bytes(32, 32),
  self: bytes(ENROL_REQUEST_SIZE_BYTES_MAX),
  nodeSignature: bytes(64, 64),
});
const selfShape: Shape<JoinerSelf> = object({
  announcement: announcementShape,
  minProtocolVersion: text(32),
});
const replyShape: Shape<EnrolReply> = object({
  sealed: bytes(ENROL_REPLY_SIZE_BYTES_MAX),
  grant: bytes(GRANT_MAX),
  signature: bytes(64, 64),
});
const contentShape: Shape<EnrolContent> = object({
  genesis: copied(GENESIS_MAX),
  isolationKey: copied(32, 32),
  grant: copied(GRANT_MAX),
  members: memberListShape,
  groups: list(text(64), 64),
});

export function encodeEnrolRequest(request: EnrolRequest): Uint8Array {
  const { join, tokenKey, self, nodeSignature } = request;
  const { payload, signature } = join;
  return encodeCbor({ join: { payload, signature }, tokenKey, self, nodeSignature });
}

/** Throws TOO_LARGE, MALFORMED. */
export function decodeEnrolRequest(body: Uint8Array): EnrolRequest {
  checkSize("request", body, ENROL_REQUEST_SIZE_BYTES_MAX);
  return requestShape(decodeCbor(body), "enrolment");
}

export function encodeJoinerSelf(self: JoinerSelf): Uint8Array {
  return encodeCbor({
    announcement: { ...self.announcement },
    minProtocolVersion: self.minProtocolVersion,
  });
}

/** Throws MALFORMED. */
export function decodeJoinerSelf(encoded: Uint8Array): JoinerSelf {
  return selfShape(decodeCbor(encoded), "enrolment.self");
}

export function encodeEnrolReply({ sealed, grant, signature }: EnrolReply): Uint8Array {
  return encodeCbor({ sealed, grant, signature });
}

/** Throws TOO_LARGE, MALFORMED. */
export function decodeEnrolReply(body: Uint8Array): EnrolReply {
  checkSize("reply", body, ENROL_REPLY_SIZE_BYTES_MAX);
  return replyShape(decodeCbor(body), "enrolment reply");
}

export function encodeEnrolContent(content: EnrolContent): Uint8Array {
  return encodeCbor({
    genesis: content.genesis,
    isolationKey: content.isolationKey,
    grant: content.grant,
    members: memberListFields(content.members),
    groups: content.groups,
  });
}

/** Throws MALFORMED. */
export function decodeEnrolContent(encoded: Uint8Array): EnrolContent {
  return contentShape(decodeCbor(encoded), "enrolment reply");
}

/** What the joiner's node key signs. */
export function requestSigned(joinPayload: Uint8Array, self: Uint8Array): Uint8Array {
  return tagged("enrol", concatBytes(sha256(joinPayload), self));
}

/** What the responder's node key signs. */
export function replySigned(joinPayload: Uint8Array, sealed: Uint8Array): Uint8Array {
  return tagged("enrol reply", concatBytes(sha256(joinPayload), sealed));
}

function sha256(content: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(content).digest());
}

function copied(sizeMax: number, sizeMin = 0): Shape<Uint8Array> {
  return mapped(bytes(sizeMax, sizeMin), (view) => view.slice());
}

function checkSize(what: string, body: Uint8Array, sizeMax: number): void {
  if (body.length <= sizeMax) return;
  throw new MyceliumError(
    "TOO_LARGE",
    `Cannot enrol: the ${what} has ${body.length} bytes, needed at most ${sizeMax}`,
  );
}
