/**
 * Membership grants: who is a member, as what, on whose word. A sponsor signs a statement about a key. The key is
 * the member's own, or that of a join token; then the token's key signs who redeemed it, and when (`redemption`).
 * A grant travels with its chain: each sponsor's own grant up to a node that the genesis document names. Tiers fall
 * along it (tier 0 signs tier 1 and 2, tier 1 vouches tier 2), so a chain has at most three links.
 */

import {
  assert,
  type ErrorCode,
  equalBytes,
  type NetworkId,
  type NodeId,
} from "../../base/index.ts";
import {
  decodeCbor,
  encodeCbor,
  list,
  malformed,
  mapped,
  nullable,
  object,
  type Shape,
  text,
} from "../wire/index.ts";
import { deterministicCbor } from "./deterministic-cbor.ts";
import {
  classAllowsRole,
  keyShape,
  type NodeClass,
  type NodeRole,
  networkIdShape,
  nodeClassShape,
  nodeIdShape,
  nodeRoleShape,
  type SignedPart,
  signedPartShape,
  type TrustTier,
  tagged,
  tierShape,
  timeShape,
} from "./fields.ts";
import { genesisMember, type Network } from "./genesis.ts";
import {
  decodeJoinStatement,
  type JoinStatement,
  joinStatementSignedBy,
} from "./join-statement.ts";
import { type NodeKey, publicKeyOfNodeId, sign, verifyOfNode } from "./keys.ts";

/** What a sponsor says of a key. */
export interface GrantStatement {
  readonly networkId: NetworkId;
  /** Public key of the member, or of the join token that members redeem. */
  readonly subject: Uint8Array;
  readonly class: NodeClass;
  readonly role: NodeRole;
  readonly tier: TrustTier;
  /** Chosen by the sponsor, unique among its grants. */
  readonly serial: string;
  readonly issuedAtMs: number;
  /** The end of the membership, or null. */
  readonly expiresAtMs: number | null;
  /** For a token: the last moment to redeem it. Null for a member's own key. */
  readonly redeemByMs: number | null;
  readonly sponsor: NodeId;
}

export interface GrantLink {
  readonly statement: SignedPart;
  /** The join statement under the token's key; null when the statement is about the member's own key. */
  readonly redemption: SignedPart | null;
}

/** A member's claim: its links from its own grant up to one sponsored by a genesis node. Genesis nodes need none. */
export interface GrantChain {
  readonly member: NodeId;
  readonly links: readonly GrantLink[];
}

/** A grant that holds. */
export interface Grant {
  readonly member: NodeId;
  readonly class: NodeClass;
  readonly role: NodeRole;
  readonly tier: TrustTier;
  /** Empty for a genesis node. */
  readonly serial: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number | null;
  /** Null for a genesis node. */
  readonly sponsor: NodeId | null;
}

export type GrantVerdict =
  | { readonly ok: true; readonly grant: Grant }
  | { readonly ok: false; readonly code: ErrorCode; readonly reason: string };

/** How far the clocks of a joiner and a member may be apart. */
export const CLOCK_TOLERANCE_MS = 300_000;
export const GRANT_CHAIN_SIZE_BYTES_MAX = 16_384;
const LINKS_MAX = 3;
const STATEMENT_SIZE_MAX = 1_024;
const PURPOSE = "grant";

const statementShape: Shape<GrantStatement> = mapped(
  object({
    networkId: networkIdShape,
    subject: keyShape,
    class: nodeClassShape,
    role: nodeRoleShape,
    tier: tierShape,
    serial: text(64),
    issuedAtMs: timeShape,
    expiresAtMs: nullable(timeShape),
    redeemByMs: nullable(timeShape),
    sponsor: nodeIdShape,
  }),
  (statement, path) => {
    const fits = classAllowsRole(statement.class, statement.role);
    if (!fits) throw malformed(path, "a role that its class can have", statement.role);
    return statement;
  },
);

const chainShape: Shape<GrantChain> = object({
  member: nodeIdShape,
  links: list(
    object({
      statement: signedPartShape(STATEMENT_SIZE_MAX),
      redemption: nullable(signedPartShape(STATEMENT_SIZE_MAX)),
    }),
    LINKS_MAX,
  ),
});

/** The sponsor signs with its node key. */
export function signGrantStatement(sponsor: NodeKey, statement: GrantStatement): SignedPart {
  assert(statement.sponsor === sponsor.nodeId, "a grant is signed by the sponsor it names");
  const payload = deterministicCbor({ ...statement });
  return { payload, signature: sign(sponsor, tagged(PURPOSE, payload)) };
}

/** Throws MALFORMED. Says nothing of the signature. */
export function decodeGrantStatement(payload: Uint8Array): GrantStatement {
  if (payload.length > STATEMENT_SIZE_MAX) throw malformed("grant", "a short statement", payload);
  return statementShape(decodeCbor(payload), "grant");
}

export function encodeGrantChain(chain: GrantChain): Uint8Array {
  return encodeCbor({
    member: chain.member,
    links: chain.links.map(({ statement, redemption }) => ({
      statement: { payload: statement.payload, signature: statement.signature },
      redemption:
        redemption === null
          ? null
          : { payload: redemption.payload, signature: redemption.signature },
    })),
  });
}

/** Throws MALFORMED. Says nothing of the signatures. */
export function decodeGrantChain(encoded: Uint8Array): GrantChain {
  if (encoded.length > GRANT_CHAIN_SIZE_BYTES_MAX) {
    throw malformed("grant", `at most ${GRANT_CHAIN_SIZE_BYTES_MAX} bytes`, encoded);
  }
  return chainShape(decodeCbor(encoded), "grant");
}

/** What a genesis node shows as its grant. */
export function genesisGrantChain(member: NodeId): GrantChain {
  return { member, links: [] };
}

/** Checks a whole chain against the genesis document at `nowMs`. Throws MALFORMED on bytes that are no chain. */
export function verifyGrant(encoded: Uint8Array, network: Network, nowMs: number): GrantVerdict {
  const chain = decodeGrantChain(encoded);
  const verdict = verifyLinks(chain.member, chain.links, network);
  if (!verdict.ok) return verdict;
  const { expiresAtMs } = verdict.grant;
  if (expiresAtMs !== null && nowMs > expiresAtMs) return refused("the grant has expired");
  return verdict;
}

/** Checks a sponsor's statement about a token: signature, authority, network. */
export function verifyVoucher(
  voucher: SignedPart,
  sponsorLinks: readonly GrantLink[],
  network: Network,
): { readonly ok: true; readonly statement: GrantStatement } | Refusal {
  const statement = decodeGrantStatement(voucher.payload);
  const sponsor = verifyLinks(statement.sponsor, sponsorLinks, network);
  if (!sponsor.ok) return sponsor;
  return sponsorProblem(voucher, statement, sponsor.grant, network) ?? { ok: true, statement };
}

type Refusal = Extract<GrantVerdict, { ok: false }>;

// PERF: two signatures a link, three links at most.
function verifyLinks(member: NodeId, links: readonly GrantLink[], network: Network): GrantVerdict {
  const [link, ...rest] = links;
  if (link === undefined) return genesisVerdict(member, network);
  const voucher = verifyVoucher(link.statement, rest, network);
  if (!voucher.ok) return voucher;
  const { statement } = voucher;
  const issuedAtMs = redeemedAtMs(member, link, statement, network);
  if (typeof issuedAtMs !== "number") return issuedAtMs;
  const { class: nodeClass, role, tier, serial, expiresAtMs, sponsor } = statement;
  const grant = { member, class: nodeClass, role, tier, serial, issuedAtMs, expiresAtMs, sponsor };
  return { ok: true, grant };
}

function genesisVerdict(member: NodeId, network: Network): GrantVerdict {
  const node = genesisMember(network, member);
  if (node === null) return refused("the chain ends at a node that the genesis does not name");
  return {
    ok: true,
    grant: {
      member,
      class: node.class,
      role: node.role,
      tier: node.tier,
      serial: "",
      issuedAtMs: network.genesis.timeMs,
      expiresAtMs: null,
      sponsor: null,
    },
  };
}

function sponsorProblem(
  part: SignedPart,
  statement: GrantStatement,
  sponsor: Grant,
  network: Network,
): Refusal | null {
  if (statement.networkId !== network.id) {
    return { ok: false, code: "WRONG_NETWORK", reason: "the grant is of another network" };
  }
  if (!verifyOfNode(sponsor.member, tagged(PURPOSE, part.payload), part.signature)) {
    return refused("its sponsor's signature does not fit");
  }
  if (sponsor.tier >= statement.tier) {
    return refused(`a sponsor of tier ${sponsor.tier} cannot sign for tier ${statement.tier}`);
  }
  const { expiresAtMs } = sponsor;
  if (expiresAtMs !== null && statement.issuedAtMs > expiresAtMs) {
    return refused("its sponsor's own grant had expired");
  }
  return null;
}

/** When the member got its grant; a refusal when the statement is not about this member. */
function redeemedAtMs(
  member: NodeId,
  link: GrantLink,
  statement: GrantStatement,
  network: Network,
): number | Refusal {
  if (link.redemption === null) {
    const own = publicKeyOfNodeId(member);
    const about = own !== null && equalBytes(own, statement.subject);
    return about && statement.redeemByMs === null
      ? statement.issuedAtMs
      : refused("it is about another key");
  }
  const join = decodeJoinStatement(link.redemption.payload);
  if (!joinStatementSignedBy(link.redemption, statement.subject)) {
    return refused("its token's signature does not fit");
  }
  const problem = redemptionProblem(member, join, statement, network);
  return problem === null ? join.wallMs : refused(problem);
}

function redemptionProblem(
  member: NodeId,
  join: JoinStatement,
  statement: GrantStatement,
  network: Network,
): string | null {
  if (join.nodeId !== member) return "its token was redeemed by another node";
  if (join.networkId !== network.id) return "its token was redeemed for another network";
  if (statement.redeemByMs === null) return "it is no token's grant";
  // The joiner's clock may be off by as much as enrolment allows.
  const lastMs = statement.redeemByMs + CLOCK_TOLERANCE_MS;
  return join.wallMs > lastMs ? "its token was redeemed too late" : null;
}

function refused(reason: string): Refusal {
  return { ok: false, code: "NOT_A_MEMBER", reason };
}
