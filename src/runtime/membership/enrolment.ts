/**
 * Enrolment, the responder's side: any validator answers a joiner that shows a token. It checks everything that can
 * be checked without a trace first; then one program in shard `system` counts the token's use and makes the member,
 * as a whole or not at all; then grant, genesis, isolation key and member list go back sealed. A joiner that lost
 * the reply asks again with the same key and token, and gets the same grant.
 */

import {
  equalBytes,
  errorCodeOf,
  formatDurationMs,
  MyceliumError,
  type NodeId,
  present,
  toHex,
} from "../../base/index.ts";
import { compareVersions } from "../../domain/config/index.ts";
import {
  CLOCK_TOLERANCE_MS,
  decodeJoinStatement,
  encodeGrantChain,
  type Grant,
  type JoinStatement,
  joinStatementSignedBy,
  type Network,
  type NodeKey,
  type NodeRole,
  publicKeyOfNodeId,
  sealBox,
  sign,
  verify,
  verifyGrant,
  verifyVoucher,
} from "../../domain/identity/index.ts";
import { releasesApart } from "../../domain/wire/index.ts";
import type { Clock, Logger } from "../../ports/index.ts";
import {
  decodeEnrolRequest,
  decodeJoinerSelf,
  ENROL_BOX_PURPOSE,
  type EnrolRequest,
  encodeEnrolContent,
  encodeEnrolReply,
  type JoinerSelf,
  replySigned,
  requestSigned,
} from "./enrol-message.ts";
import type { Member, MemberList } from "./member.ts";
import {
  ALREADY_MEMBER_TEXT,
  type MemberStore,
  TOKEN_EXPIRED_TEXT,
  TOKEN_USED_TEXT,
  UNKNOWN_TOKEN_TEXT,
} from "./member-store.ts";

export interface EnrolmentOptions {
  readonly network: Network;
  readonly key: NodeKey;
  /** This node's encoded grant. */
  readonly grant: Uint8Array;
  readonly isolationKey: Uint8Array;
  readonly store: MemberStore;
  /** The list as this node has it. */
  readonly memberList: () => MemberList;
  readonly groupsFor: (role: NodeRole) => readonly string[];
  readonly protocolVersion: string;
  readonly minProtocolVersion: string;
  /** Of this node's software. */
  readonly release: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** From a source of secrets. */
  readonly secretBytes: (sizeBytes: number) => Uint8Array;
}

/** Enrolments at once; each holds a signature check and a write. */
const IN_FLIGHT_MAX = 16;

/** What a joiner is refused with when an earlier question of its own was answered in the meantime. */
const OWN_TRACES: ReadonlySet<string> = new Set(["ALREADY_MEMBER", "TOKEN_USED", "NETWORK_FULL"]);

interface Joiner {
  readonly request: EnrolRequest;
  readonly join: JoinStatement;
  readonly self: JoinerSelf;
}

export class Enrolment {
  readonly #options: EnrolmentOptions;
  #inFlight = 0;

  constructor(options: EnrolmentOptions) {
    this.#options = options;
  }

  /**
   * Answers the body of POST /enrol. Throws, each with a message for the person who joins: MALFORMED, TOO_LARGE,
   * OVERLOADED, WRONG_NETWORK, VERSION_UNSUPPORTED, CLOCK_OFF, BAD_TOKEN, TOKEN_USED, TOKEN_EXPIRED,
   * ALREADY_MEMBER, NETWORK_FULL, NOT_A_MEMBER, and what `SqlService` throws.
   */
  async handleEnrol(body: Uint8Array): Promise<Uint8Array> {
    if (this.#inFlight >= IN_FLIGHT_MAX) {
      throw refusal("OVERLOADED", `${IN_FLIGHT_MAX} others are joining; try again in a second`);
    }
    this.#inFlight++;
    try {
      const joiner = this.#checkRequest(body);
      const grant = (await this.#knownGrant(joiner)) ?? (await this.#admit(joiner));
      return this.#reply(joiner, grant);
    } finally {
      this.#inFlight--;
    }
  }

  /** All that needs no look at the store. */
  #checkRequest(body: Uint8Array): Joiner {
    const request = decodeEnrolRequest(body);
    const join = decodeJoinStatement(request.join.payload);
    if (join.networkId !== this.#options.network.id) {
      throw refusal(
        "WRONG_NETWORK",
        "the token is of another network than the one that answers at its address; create a new one with " +
          "`mycelium token create` on a node of the network to join",
      );
    }
    const self = decodeJoinerSelf(request.self);
    this.#checkVersions(join, self);
    this.#checkClock(join);
    if (!joinStatementSignedBy(request.join, request.tokenKey)) {
      throw refusal("BAD_TOKEN", "the token's signature does not fit; copy the token again");
    }
    const nodeKey = present(publicKeyOfNodeId(join.nodeId), "the key of a checked node id");
    const signed = requestSigned(request.join.payload, request.self);
    if (!verify(nodeKey, signed, request.nodeSignature)) {
      throw refusal("BAD_TOKEN", "the joiner does not hold the key of the node id it names");
    }
    return { request, join, self };
  }

  #checkVersions(join: JoinStatement, self: JoinerSelf): void {
    const { network, protocolVersion, minProtocolVersion, release } = this.#options;
    const apart = releasesApart(release, self.announcement.version);
    if (apart !== null) throw refusal("VERSION_UNSUPPORTED", apart);
    for (const least of [network.genesis.compatibilityVersion, minProtocolVersion]) {
      if ((compareVersions(join.protocolVersion, least) ?? -1) >= 0) continue;
      throw refusal(
        "VERSION_UNSUPPORTED",
        `this node speaks protocol ${join.protocolVersion}, the network needs at least ${least}; update Mycelium ` +
          "on this machine",
      );
    }
    if ((compareVersions(self.minProtocolVersion, protocolVersion) ?? 1) > 0) {
      throw refusal(
        "VERSION_UNSUPPORTED",
        `the network speaks protocol ${protocolVersion}, this node needs at least ${self.minProtocolVersion}; ` +
          "update the network first",
      );
    }
  }

  #checkClock(join: JoinStatement): void {
    const offMs = join.wallMs - this.#options.clock.wallMs();
    if (Math.abs(offMs) <= CLOCK_TOLERANCE_MS) return;
    throw refusal(
      "CLOCK_OFF",
      `this machine's clock is ${formatDurationMs(Math.abs(offMs))} ${offMs < 0 ? "behind" : "ahead of"} the ` +
        `network's, needed at most ${formatDurationMs(CLOCK_TOLERANCE_MS)}; set the clock (NTP) and join again`,
    );
  }

  /** The grant of a joiner whose reply was lost; null for a new one. */
  async #knownGrant({ request, join }: Joiner): Promise<Uint8Array | null> {
    const known = await this.#options.store.findGrant(join.nodeId);
    if (known === null) {
      const isListed = this.#options.memberList().members.some((one) => one.id === join.nodeId);
      if (isListed) throw refusal("ALREADY_MEMBER", ALREADY_MEMBER_TEXT);
      return null;
    }
    if (known.tokenKey === toHex(request.tokenKey)) return known.grant;
    throw refusal("ALREADY_MEMBER", ALREADY_MEMBER_TEXT);
  }

  async #admit(joiner: Joiner): Promise<Uint8Array> {
    try {
      return await this.#makeMember(joiner);
    } catch (error) {
      // The same joiner asked twice at once, or the last answer about this write was lost.
      const mayBeIts = OWN_TRACES.has(errorCodeOf(error) ?? "");
      const won = mayBeIts ? await this.#knownGrant(joiner) : null;
      if (won === null) throw error;
      return won;
    }
  }

  async #makeMember(joiner: Joiner): Promise<Uint8Array> {
    const { network, store, clock, logger } = this.#options;
    const encoded = await this.#makeGrant(joiner);
    const verdict = verifyGrant(encoded, network, clock.wallMs());
    if (!verdict.ok) throw refusal("BAD_TOKEN", `the network refuses the token: ${verdict.reason}`);
    const { class: nodeClass, role, tier, member: id } = verdict.grant;
    const { announcement } = joiner.self;
    await store.admit({
      member: { id, class: nodeClass, role, tier, announcement },
      grant: encoded,
      tokenKey: joiner.request.tokenKey,
      nowMs: clock.wallMs(),
      nodeCountMax: network.genesis.nodeCountMax,
    });
    logger.info("a node joined", { node: id, class: nodeClass, role, tier });
    return encoded;
  }

  async #makeGrant({ request, join }: Joiner): Promise<Uint8Array> {
    const { network, store, clock } = this.#options;
    const token = await store.findToken(request.tokenKey);
    if (token === null) throw refusal("BAD_TOKEN", UNKNOWN_TOKEN_TEXT);
    if (token.expiresAtMs <= clock.wallMs()) throw refusal("TOKEN_EXPIRED", TOKEN_EXPIRED_TEXT);
    if (token.usesLeft <= 0) throw refusal("TOKEN_USED", TOKEN_USED_TEXT);
    const voucher = verifyVoucher(token.voucher, token.sponsorLinks, network);
    if (!voucher.ok) throw refusal("BAD_TOKEN", `nobody vouches for the token: ${voucher.reason}`);
    if (!equalBytes(voucher.statement.subject, request.tokenKey)) {
      throw refusal("BAD_TOKEN", UNKNOWN_TOKEN_TEXT);
    }
    const link = { statement: token.voucher, redemption: request.join };
    return encodeGrantChain({ member: join.nodeId, links: [link, ...token.sponsorLinks] });
  }

  #reply({ request, join, self }: Joiner, encodedGrant: Uint8Array): Uint8Array {
    const { network, key, grant, isolationKey, groupsFor, clock, secretBytes } = this.#options;
    const verdict = verifyGrant(encodedGrant, network, clock.wallMs());
    if (!verdict.ok) throw refusal("NOT_A_MEMBER", `this node's grant: ${verdict.reason}`);
    const content = encodeEnrolContent({
      genesis: network.encoded,
      isolationKey,
      grant: encodedGrant,
      members: this.#listWith(verdict.grant, self),
      groups: groupsFor(verdict.grant.role),
    });
    const sealed = sealBox(join.replyKey, secretBytes(32), ENROL_BOX_PURPOSE, content);
    if (sealed === null) throw refusal("MALFORMED", "the joiner's reply key is no usable key");
    const signature = sign(key, replySigned(request.join.payload, sealed));
    return encodeEnrolReply({ sealed, grant, signature });
  }

  /** This node's own replica may not have applied the new member yet. */
  #listWith(grant: Grant, self: JoinerSelf): MemberList {
    const list = this.#options.memberList();
    const others = withoutNode(list.members, grant.member);
    const known = list.members.find((one) => one.id === grant.member);
    const member: Member = known ?? {
      ...self.announcement,
      id: grant.member,
      class: grant.class,
      role: grant.role,
      tier: grant.tier,
      state: "active",
      replicaLife: 0,
      joinedAtMs: grant.issuedAtMs,
    };
    const revoked = list.revoked.filter((one) => one.id !== grant.member);
    return { members: [...others, member], revoked, asOf: list.asOf };
  }
}

function withoutNode(members: readonly Member[], node: NodeId): readonly Member[] {
  return members.filter((member) => member.id !== node);
}

function refusal(code: ConstructorParameters<typeof MyceliumError>[0], reason: string) {
  return new MyceliumError(code, `Cannot join: ${reason}`);
}
