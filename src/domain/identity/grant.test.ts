import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { errorCodeOf, toHex } from "../../base/index.ts";
import { decodeCbor, encodeCbor } from "../wire/index.ts";
import type { SignedPart } from "./fields.ts";
import { createNetwork, decodeNetwork, type Genesis, genesisMember } from "./genesis.ts";
import {
  encodeGrantChain,
  type GrantChain,
  type GrantLink,
  type GrantStatement,
  genesisGrantChain,
  signGrantStatement,
  verifyGrant,
} from "./grant.ts";
import { isolationKeyHash } from "./isolation.ts";
import { encodeJoinStatement, signJoinStatement } from "./join-statement.ts";
import { type NodeKey, nodeKeyFromSeed } from "./keys.ts";

const NOW = 1_800_000_000_000;
const key = (n: number) => nodeKeyFromSeed(new Uint8Array(32).fill(n));
const root = key(1);
const vetted = key(2);
const guest = key(3);
const token = key(4);
const stranger = key(5);

const GENESIS: Genesis = {
  name: "home",
  timeMs: NOW - 1_000_000,
  nodes: [{ id: root.nodeId, class: "sclerotium", role: "validator" }],
  tier0Keys: [root.publicKey],
  tier0Threshold: 1,
  isolationLevel: "strict",
  isolationKeyHash: isolationKeyHash(new Uint8Array(32).fill(9)),
  compatibilityVersion: "1.0.0",
  decisionThresholdPercent: 50,
  nodeCountMax: null,
};
const network = createNetwork(GENESIS, [root]);

function statement(subject: NodeKey, changes: Partial<GrantStatement> = {}): GrantStatement {
  return {
    networkId: network.id,
    subject: subject.publicKey,
    class: "sclerotium",
    role: "validator",
    tier: 1,
    serial: "s1",
    issuedAtMs: NOW,
    expiresAtMs: null,
    redeemByMs: null,
    sponsor: root.nodeId,
    ...changes,
  };
}

const direct = (
  sponsor: NodeKey,
  subject: NodeKey,
  changes: Partial<GrantStatement> = {},
): GrantLink => ({
  statement: signGrantStatement(
    sponsor,
    statement(subject, { sponsor: sponsor.nodeId, ...changes }),
  ),
  redemption: null,
});

function redeem(member: NodeKey, wallMs = NOW, by: NodeKey = token): SignedPart {
  const payload = encodeJoinStatement({
    networkId: network.id,
    nodeId: member.nodeId,
    replyKey: new Uint8Array(32),
    protocolVersion: "1.0.0",
    wallMs,
  });
  return { payload, signature: signJoinStatement(by, payload) };
}

const viaToken = (member: NodeKey, wallMs = NOW, by = token): GrantLink => ({
  ...direct(root, token, { redeemByMs: NOW + 1_000 }),
  redemption: redeem(member, wallMs, by),
});

const judge = (chain: GrantChain, nowMs = NOW) =>
  verifyGrant(encodeGrantChain(chain), network, nowMs);
const of = (member: NodeKey, ...links: GrantLink[]): GrantChain => ({
  member: member.nodeId,
  links,
});

describe("genesis documents", () => {
  test("the network's id is the hash of the payload, the same whatever the order of fields", () => {
    const turned = Object.fromEntries(Object.entries(GENESIS).reverse()) as unknown as Genesis;
    expect(createNetwork(turned, [root]).id).toBe(network.id);
    expect(createNetwork({ ...GENESIS, name: "other" }, [root]).id).not.toBe(network.id);
    expect(decodeNetwork(network.encoded)).toEqual(network);
  });

  test("every tier-0 key must have signed", () => {
    const two = { ...GENESIS, tier0Keys: [root.publicKey, vetted.publicKey], tier0Threshold: 2 };
    const { encoded } = createNetwork(two, [root, vetted]);
    expect(decodeNetwork(encoded).genesis.tier0Threshold).toBe(2);
    const signed = decodeCbor(encoded) as { payload: Uint8Array; signatures: Uint8Array[] };
    const short = encodeCbor({
      payload: signed.payload,
      signatures: signed.signatures.slice(0, 1),
    });
    expect(() => decodeNetwork(short)).toThrow("signature of every tier-0 key");
    const swapped = encodeCbor({
      payload: signed.payload,
      signatures: signed.signatures.toReversed(),
    });
    expect(() => decodeNetwork(swapped)).toThrow("signature of every tier-0 key");
  });

  test("a flipped bit anywhere is MALFORMED or another network, never a crash", () => {
    const size = network.encoded.length * 8;
    fc.assert(
      fc.property(fc.nat(size - 1), (bit) => {
        const flipped = network.encoded.slice();
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        try {
          decodeNetwork(flipped);
          throw new Error("accepted");
        } catch (error) {
          expect(errorCodeOf(error)).toBe("MALFORMED");
        }
      }),
      { numRuns: 500 },
    );
  });

  test("names its nodes and their tier", () => {
    expect(genesisMember(network, root.nodeId)?.tier).toBe(0);
    expect(genesisMember(network, guest.nodeId)).toBeNull();
  });
});

describe("verifyGrant()", () => {
  test("a genesis node needs no link, a stranger does", () => {
    expect(judge(genesisGrantChain(root.nodeId))).toMatchObject({ ok: true, grant: { tier: 0 } });
    expect(judge(genesisGrantChain(stranger.nodeId))).toMatchObject({ ok: false });
  });

  test("tier 0 signs tier 1, and tier 1 vouches tier 2", () => {
    const first = direct(root, vetted);
    expect(judge(of(vetted, first))).toMatchObject({ ok: true, grant: { tier: 1, serial: "s1" } });
    const second = direct(vetted, guest, { tier: 2 });
    expect(judge(of(guest, second, first))).toMatchObject({
      ok: true,
      grant: { tier: 2, sponsor: vetted.nodeId },
    });
  });

  test("nobody signs for their own tier or above", () => {
    const first = direct(root, vetted);
    for (const tier of [0, 1] as const) {
      const up = judge(of(guest, direct(vetted, guest, { tier }), first));
      expect(up).toMatchObject({ ok: false, code: "NOT_A_MEMBER" });
    }
    const low = direct(vetted, guest, { tier: 2 });
    const next = direct(guest, stranger, { tier: 2 });
    expect(judge(of(stranger, next, low, first)).ok).toBe(false);
  });

  test("a token's grant holds for the node that redeemed it in time, and for no other", () => {
    expect(judge(of(guest, viaToken(guest)))).toMatchObject({
      ok: true,
      grant: { member: guest.nodeId, tier: 1, issuedAtMs: NOW },
    });
    expect(judge(of(stranger, viaToken(guest))).ok).toBe(false);
    expect(judge(of(guest, viaToken(guest, NOW, stranger))).ok).toBe(false);
    expect(judge(of(guest, viaToken(guest, NOW + 1_000_000)))).toMatchObject({
      reason: "its token was redeemed too late",
    });
    expect(judge(of(token, { ...viaToken(guest), redemption: null })).ok).toBe(false);
  });

  test("another network, an expired grant, a foreign signature: each has its reason", () => {
    const elsewhere = createNetwork({ ...GENESIS, name: "b" }, [root]);
    const foreign = direct(root, vetted, { networkId: elsewhere.id });
    expect(judge(of(vetted, foreign))).toMatchObject({ code: "WRONG_NETWORK" });
    const short = direct(root, vetted, { expiresAtMs: NOW + 5 });
    expect(judge(of(vetted, short), NOW).ok).toBe(true);
    expect(judge(of(vetted, short), NOW + 6)).toMatchObject({ reason: "the grant has expired" });
    const late = direct(vetted, guest, { tier: 2, issuedAtMs: NOW + 6 });
    expect(judge(of(guest, late, short))).toMatchObject({
      reason: "its sponsor's own grant had expired",
    });
    const good = direct(root, vetted);
    const forged = { ...good.statement, signature: direct(root, guest).statement.signature };
    expect(judge(of(vetted, { ...good, statement: forged })).ok).toBe(false);
  });

  test("a flipped bit anywhere is refused or MALFORMED, never accepted", () => {
    const encoded = encodeGrantChain(
      of(guest, direct(vetted, guest, { tier: 2 }), viaToken(vetted)),
    );
    expect(verifyGrant(encoded, network, NOW).ok).toBe(true);
    fc.assert(
      fc.property(fc.nat(encoded.length * 8 - 1), (bit) => {
        const flipped = encoded.slice();
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        try {
          expect(verifyGrant(flipped, network, NOW).ok).toBe(false);
        } catch (error) {
          expect(errorCodeOf(error)).toBe("MALFORMED");
        }
      }),
      { numRuns: 500 },
    );
  });

  test("garbage and long chains are MALFORMED", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          expect(verifyGrant(bytes, network, NOW).ok).toBe(false);
        } catch (error) {
          expect(errorCodeOf(error)).toBe("MALFORMED");
        }
      }),
    );
    const links = Array.from({ length: 4 }, () => direct(root, vetted));
    expect(() => judge(of(vetted, ...links))).toThrow("at most 3");
    expect(() => verifyGrant(new Uint8Array(20_000), network, NOW)).toThrow("at most 16384");
  });

  test("what a signature covers cannot pass for another purpose", () => {
    const payload = encodeJoinStatement({
      networkId: network.id,
      nodeId: guest.nodeId,
      replyKey: new Uint8Array(32),
      protocolVersion: "1.0.0",
      wallMs: NOW,
    });
    const grant = signGrantStatement(root, statement(guest));
    expect(toHex(signJoinStatement(root, grant.payload))).not.toBe(toHex(grant.signature));
    expect(payload.length).toBeLessThan(1_024);
  });
});
