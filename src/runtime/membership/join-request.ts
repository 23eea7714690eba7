/** Enrolment, the joiner's side: the request to send, and the reply opened and checked. Nothing is kept until then. */

import { type ErrorCode, equalBytes, MyceliumError } from "../../base/index.ts";
import {
  boxPublicKey,
  decodeNetwork,
  encodeJoinStatement,
  type Grant,
  isolationKeyHash,
  type JoinToken,
  type Network,
  type NodeKey,
  nodeKeyFromSeed,
  openBox,
  sign,
  signJoinStatement,
  verifyGrant,
  verifyOfNode,
} from "../../domain/identity/index.ts";
import {
  decodeEnrolContent,
  decodeEnrolReply,
  ENROL_BOX_PURPOSE,
  type EnrolContent,
  type EnrolReply,
  encodeEnrolRequest,
  encodeJoinerSelf,
  replySigned,
  requestSigned,
} from "./enrol-message.ts";
import type { Announcement, MemberList } from "./member.ts";

export interface JoinOptions {
  readonly token: JoinToken;
  /** The key this node will have. */
  readonly key: NodeKey;
  readonly announcement: Announcement;
  readonly protocolVersion: string;
  readonly minProtocolVersion: string;
  readonly wallMs: number;
  /** 32 fresh bytes from a source of secrets, for this attempt. */
  readonly replySecret: Uint8Array;
}

/** What the joiner keeps until the reply comes. */
export interface PendingEnrolment {
  /** Goes to POST /enrol of one of the token's addresses. */
  readonly body: Uint8Array;
  readonly token: JoinToken;
  readonly key: NodeKey;
  readonly replySecret: Uint8Array;
  readonly joinPayload: Uint8Array;
}

/** All a new member needs to run. */
export interface Enrolled {
  readonly network: Network;
  readonly isolationKey: Uint8Array;
  /** This node's encoded grant. */
  readonly encodedGrant: Uint8Array;
  readonly grant: Grant;
  readonly members: MemberList;
  readonly groups: readonly string[];
}

export function buildEnrolRequest(options: JoinOptions): PendingEnrolment {
  const { token, key, announcement, protocolVersion, minProtocolVersion, wallMs, replySecret } =
    options;
  const tokenKey = nodeKeyFromSeed(token.seed);
  const joinPayload = encodeJoinStatement({
    networkId: token.networkId,
    nodeId: key.nodeId,
    replyKey: boxPublicKey(replySecret),
    protocolVersion,
    wallMs,
  });
  const self = encodeJoinerSelf({ announcement, minProtocolVersion });
  const body = encodeEnrolRequest({
    join: { payload: joinPayload, signature: signJoinStatement(tokenKey, joinPayload) },
    tokenKey: tokenKey.publicKey,
    self,
    nodeSignature: sign(key, requestSigned(joinPayload, self)),
  });
  return { body, token, key, replySecret, joinPayload };
}

/**
 * Opens the reply and checks that it comes from a member of the token's network and makes this node one. Throws
 * MALFORMED, TOO_LARGE, WRONG_NETWORK or UNAUTHORIZED (whoever answered is no member).
 */
export function openEnrolReply(
  pending: PendingEnrolment,
  body: Uint8Array,
  nowMs: number,
): Enrolled {
  const reply = decodeEnrolReply(body);
  const opened = openBox(pending.replySecret, ENROL_BOX_PURPOSE, reply.sealed);
  if (opened === null) throw refusal("UNAUTHORIZED", "the reply is not sealed for this node");
  const content = decodeEnrolContent(opened);
  const network = decodeNetwork(content.genesis);
  if (network.id !== pending.token.networkId) {
    throw refusal("WRONG_NETWORK", "whoever answered is of another network than the token");
  }
  checkResponder(pending, reply, network, nowMs);
  const expected = network.genesis.isolationKeyHash;
  if (!equalBytes(isolationKeyHash(content.isolationKey), expected)) {
    throw refusal("UNAUTHORIZED", "the reply holds another isolation key than the network's");
  }
  return enrolled(pending, content, network, nowMs);
}

function checkResponder(
  pending: PendingEnrolment,
  reply: EnrolReply,
  network: Network,
  nowMs: number,
): void {
  const responder = verifyGrant(reply.grant, network, nowMs);
  if (!responder.ok) {
    throw refusal("UNAUTHORIZED", `whoever answered is no member: ${responder.reason}`);
  }
  const signed = replySigned(pending.joinPayload, reply.sealed);
  if (!verifyOfNode(responder.grant.member, signed, reply.signature)) {
    throw refusal("UNAUTHORIZED", "the reply's signature does not fit");
  }
}

function enrolled(
  pending: PendingEnrolment,
  content: EnrolContent,
  network: Network,
  nowMs: number,
): Enrolled {
  const own = verifyGrant(content.grant, network, nowMs);
  if (!own.ok) throw refusal("UNAUTHORIZED", `the grant does not hold: ${own.reason}`);
  if (own.grant.member !== pending.key.nodeId) {
    throw refusal("UNAUTHORIZED", "the grant is for another node");
  }
  const { isolationKey, grant: encodedGrant, members, groups } = content;
  return { network, isolationKey, encodedGrant, grant: own.grant, members, groups };
}

function refusal(code: ErrorCode, reason: string): MyceliumError {
  return new MyceliumError(code, `Cannot join: ${reason}; check the token and the address`);
}
