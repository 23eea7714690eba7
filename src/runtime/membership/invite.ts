/** Making join tokens: a fresh key, vouched for by this node and remembered by the network. */

import { MyceliumError, toHex } from "../../base/index.ts";
import {
  classAllowsRole,
  decodeGrantChain,
  encodeJoinToken,
  type Network,
  type NodeClass,
  type NodeKey,
  type NodeRole,
  nodeKeyFromSeed,
  signGrantStatement,
  TOKEN_ADDRESSES_MAX,
  type TrustTier,
  verifyGrant,
} from "../../domain/identity/index.ts";
import type { MemberStore } from "./member-store.ts";

export interface InviteOptions {
  readonly network: Network;
  readonly key: NodeKey;
  /** This node's encoded grant. */
  readonly grant: Uint8Array;
  readonly store: MemberStore;
  /** From a source of secrets. */
  readonly secretBytes: (sizeBytes: number) => Uint8Array;
}

export interface InviteRequest {
  readonly class: NodeClass;
  readonly role: NodeRole;
  readonly ttlMs: number;
  /** How many nodes may join with it. */
  readonly uses: number;
  /** "host:port" of members' HTTP ports, best first. */
  readonly addresses: readonly string[];
}

export interface Invite {
  /** The line to hand over. Secret. */
  readonly token: string;
  readonly expiresAtMs: number;
  readonly tier: TrustTier;
}

const TTL_MAX_MS = 366 * 86_400_000;
const USES_MAX = 1_000;

/**
 * The new members' tier is one below this node's own. Throws BAD_ARGUMENT, FORBIDDEN (tier 2 invites nobody), and
 * what `SqlService.write` throws.
 */
export async function createInvite(
  options: InviteOptions,
  request: InviteRequest,
  nowMs: number,
): Promise<Invite> {
  checkRequest(request);
  const { network, key, grant, store, secretBytes } = options;
  const own = verifyGrant(grant, network, nowMs);
  if (!own.ok) throw forbidden(`this node's own grant does not hold: ${own.reason}`);
  const tier = tierBelow(own.grant.tier);
  if (tier === null) {
    throw forbidden("this node is of tier 2, which invites nobody; use a node of tier 0 or 1");
  }
  const seed = secretBytes(32);
  const tokenKey = nodeKeyFromSeed(seed).publicKey;
  // Tokens show whole seconds.
  const expiresAtMs = Math.floor((nowMs + request.ttlMs) / 1_000) * 1_000;
  const voucher = signGrantStatement(key, {
    networkId: network.id,
    subject: tokenKey,
    class: request.class,
    role: request.role,
    tier,
    serial: toHex(secretBytes(8)),
    issuedAtMs: nowMs,
    expiresAtMs: null,
    redeemByMs: expiresAtMs,
    sponsor: key.nodeId,
  });
  const sponsorLinks = decodeGrantChain(grant).links;
  await store.addToken(
    tokenKey,
    { voucher, sponsorLinks, usesLeft: request.uses, expiresAtMs },
    grant,
    nowMs,
  );
  const addresses = request.addresses.slice(0, TOKEN_ADDRESSES_MAX);
  const { class: nodeClass, role } = request;
  const token = encodeJoinToken({
    networkId: network.id,
    addresses,
    seed,
    expiresAtMs,
    class: nodeClass,
    role,
  });
  return { token, expiresAtMs, tier };
}

function checkRequest(request: InviteRequest): void {
  const { class: nodeClass, role, ttlMs, uses, addresses } = request;
  if (!classAllowsRole(nodeClass, role)) {
    throw badArgument(
      `found class ${nodeClass} with role ${role ?? "none"}, needed: a sclerotium is validator or miner, a ` +
        "rhizomorph is miner, a hypha has no role",
    );
  }
  if (!(ttlMs >= 1_000 && ttlMs <= TTL_MAX_MS)) {
    throw badArgument(`found a life of ${ttlMs} ms, needed 1 second to 366 days`);
  }
  if (!(Number.isInteger(uses) && uses >= 1 && uses <= USES_MAX)) {
    throw badArgument(`found ${uses} uses, needed 1 to ${USES_MAX}`);
  }
  if (addresses.length === 0) {
    throw badArgument("found no address others could reach this node at; set ADVERTISE");
  }
}

function tierBelow(tier: TrustTier): TrustTier | null {
  if (tier === 2) return null;
  return tier === 0 ? 1 : 2;
}

function badArgument(found: string): MyceliumError {
  return new MyceliumError("BAD_ARGUMENT", `Cannot create a join token: ${found}`);
}

function forbidden(reason: string): MyceliumError {
  return new MyceliumError("FORBIDDEN", `Cannot create a join token: ${reason}`);
}
