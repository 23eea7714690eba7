import { describe, expect, test } from "bun:test";
import { asLogIndex, asTerm, type NodeId } from "../../base/index.ts";
import { beginActivity, continueActivity, FLAP_GAP_MS, PERIODS_MAX } from "./activity.ts";
import { type Claim, orderClaims, provenAuthority } from "./authority.ts";
import { checkEntry, type EntryContext } from "./entry-check.ts";
import { LatentMap } from "./latent-map.ts";
import { decodeSignedRecord, encodeSignedRecord, type SignedRecord } from "./node-record.ts";
import { decodePrimaryProof, encodePrimaryProof, verifyPrimaryProof } from "./primary-proof.ts";
import { encodeSeedSpore, openSeedSpore } from "./seed-spore.ts";
import { keyOf, NOW_MS, SporeWorld } from "./testing/spore-world.ts";

const world = new SporeWorld(3);
const [first, second, third] = world.keys as [
  (typeof world.keys)[0],
  (typeof world.keys)[0],
  (typeof world.keys)[0],
];

function context(changes: Partial<EntryContext> = {}): EntryContext {
  return {
    network: world.network,
    nowMs: NOW_MS,
    isRevoked: () => false,
    held: () => null,
    sourceIsTrusted: true,
    ...changes,
  };
}

function failedCheck(entry: SignedRecord | Uint8Array, changes: Partial<EntryContext> = {}) {
  const encoded = entry instanceof Uint8Array ? entry : encodeSignedRecord(entry);
  const verdict = checkEntry(encoded, context(changes));
  return verdict.ok ? "none" : verdict.check;
}

describe("a discovery entry", () => {
  test("of a member comes through as it was signed", () => {
    const signed = world.signed(first);
    const verdict = checkEntry(encodeSignedRecord(signed), context());
    expect(verdict).toEqual({ ok: true, entry: signed });
  });

  test("that was changed after signing fails the signature check", () => {
    const signed = world.signed(first);
    const forged = world.signed(first, { addresses: ["6.6.6.6:1"] });
    const part = { payload: forged.part.payload, signature: signed.part.signature };
    expect(failedCheck({ ...forged, part })).toBe("signature");
  });

  test("from the future or without a sequence fails the time check", () => {
    expect(failedCheck(world.signed(first, { issuedAtMs: NOW_MS + 301_000 }))).toBe("time");
    expect(failedCheck(world.signed(first, { sequence: 0 }))).toBe("time");
    const activity = [{ fromMs: NOW_MS, toMs: NOW_MS + 400_000, interruptionCount: 0 }];
    expect(failedCheck(world.signed(first, { activity }))).toBe("time");
  });

  test("that contradicts itself or its grant fails the consistency check", () => {
    expect(failedCheck(world.signed(first, { class: "hypha", role: null }))).toBe("consistency");
    expect(failedCheck(world.signed(first, { role: "miner" }))).toBe("consistency");
    expect(failedCheck({ ...world.signed(first), grant: world.grant(second) })).toBe("consistency");
    const elsewhere = new SporeWorld(3, "elsewhere").signed(first);
    expect(failedCheck(elsewhere)).toBe("consistency");
    expect(failedCheck(new Uint8Array([1, 2, 3]))).toBe("consistency");
    expect(failedCheck(new Uint8Array(100_000))).toBe("consistency");
  });

  test("from a stranger, or about one, fails the source check", () => {
    expect(failedCheck(world.signed(first), { sourceIsTrusted: false })).toBe("source");
    expect(failedCheck(world.signed(first), { isRevoked: () => true })).toBe("source");
    expect(failedCheck(world.signed(keyOf(99)))).toBe("source");
  });

  test("that is not newer than what is held is no fault", () => {
    const held = () => world.signed(first, { sequence: 5 });
    expect(failedCheck(world.signed(first, { sequence: 4 }), { held })).toBeNull();
    expect(failedCheck(world.signed(first, { sequence: 5 }), { held })).toBeNull();
    expect(failedCheck(world.signed(first, { sequence: 6 }), { held })).toBe("none");
  });

  test("decodes to what was encoded", () => {
    const signed = world.signed(second, { sequence: 2 ** 40 });
    expect(decodeSignedRecord(encodeSignedRecord(signed))).toEqual(signed);
  });
});

describe("the latent map", () => {
  test("keeps the newest record and remembers nodes that went", () => {
    const map = new LatentMap(10);
    expect(map.merge(world.signed(first, { sequence: 2 }), 10)).toBe(true);
    expect(map.merge(world.signed(first, { sequence: 1 }), 20)).toBe(false);
    expect(map.get(first.nodeId)?.signed.record.sequence).toBe(2);
    expect(map.get(first.nodeId)?.seenAtMs).toBe(20);
    map.seen(first.nodeId, 1_000_000_000);
    expect(map.count).toBe(1);
    map.exclude(first.nodeId);
    expect(map.count).toBe(0);
  });

  test("drops the longest unseen first when it is full", () => {
    const map = new LatentMap(2);
    map.merge(world.signed(first), 10);
    map.merge(world.signed(second), 20);
    map.seen(first.nodeId, 30);
    map.merge(world.signed(third), 25);
    const nodes: readonly NodeId[] = map.entries().map(({ signed }) => signed.record.node);
    expect(new Set(nodes)).toEqual(new Set([first.nodeId, third.nodeId]));
  });
});

describe("activity", () => {
  test("flapping is one period with interruptions", () => {
    let periods = beginActivity([], 1_000);
    for (let i = 1; i <= 20; i++) periods = beginActivity(periods, 1_000 + i * 60_000);
    expect(periods).toEqual([{ fromMs: 1_000, toMs: 1_201_000, interruptionCount: 20 }]);
  });

  test("a long absence begins a new period, and the oldest are merged", () => {
    let periods = beginActivity([], 0);
    for (let i = 1; i <= 40; i++) {
      periods = continueActivity(periods, 2 * i * FLAP_GAP_MS - FLAP_GAP_MS);
      periods = beginActivity(periods, 2 * i * FLAP_GAP_MS);
    }
    expect(periods.length).toBe(PERIODS_MAX);
    expect(periods[0]?.fromMs).toBe(0);
    expect(periods[0]?.interruptionCount).toBe(25);
  });
});

describe("the primary proof", () => {
  const judged = (signers: readonly (typeof first)[], weights: readonly number[] = []) => {
    const proof = world.proof(world.statement({}, weights), signers);
    return verifyPrimaryProof(decodePrimaryProof(encodePrimaryProof(proof)), {
      networkId: world.network.id,
      nowMs: NOW_MS,
      mayVote: (node) => world.keys.some((key) => key.nodeId === node),
    }).ok;
  };

  test("needs voters with more than half of the weight", () => {
    expect(judged([first, second])).toBe(true);
    expect(judged([first])).toBe(false);
    expect(judged([first, first])).toBe(false);
    expect(judged([first, keyOf(50)])).toBe(false);
    expect(judged([first], [3, 1, 1])).toBe(true);
    expect(judged([first, second], [1, 1, 2])).toBe(false);
  });

  test("counts no voter that may not vote, and no other network", () => {
    const proof = world.proof(world.statement(), world.keys);
    const base = { networkId: world.network.id, nowMs: NOW_MS, mayVote: () => true };
    expect(verifyPrimaryProof(proof, base).ok).toBe(true);
    expect(verifyPrimaryProof(proof, { ...base, mayVote: () => false }).ok).toBe(false);
    const other = new SporeWorld(1, "elsewhere").network.id;
    expect(verifyPrimaryProof(proof, { ...base, networkId: other }).ok).toBe(false);
  });
});

describe("the seed spore", () => {
  const context = { networkId: world.network.id, nowMs: NOW_MS, mayVote: () => true };
  const records = world.keys.map((key) => encodeSignedRecord(world.signed(key)));
  const seedOf = (writer: typeof first) => ({
    networkId: world.network.id,
    writer: writer.nodeId,
    issuedAtMs: NOW_MS,
    proof: world.proof(world.statement(), world.keys),
    records,
  });

  test("of the leader holds the records and the proof", () => {
    const verdict = openSeedSpore(encodeSeedSpore(first, seedOf(first)), context);
    expect(verdict.ok && verdict.seed.records).toEqual(records);
    expect(verdict.ok && verdict.seed.proof.statement.term).toBe(asTerm(3));
  });

  test("of anyone else is refused, however good its proof is", () => {
    const verdict = openSeedSpore(encodeSeedSpore(second, seedOf(second)), context);
    expect(verdict.ok).toBe(false);
  });

  test("with any byte changed is refused or malformed", () => {
    const encoded = encodeSeedSpore(first, seedOf(first));
    for (let at = 0; at < encoded.length; at += 13) {
      const changed = encoded.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      let opened = false;
      try {
        opened = openSeedSpore(changed, context).ok;
      } catch (error) {
        expect(error).toMatchObject({ code: "MALFORMED" });
      }
      expect(opened).toBe(false);
    }
  });
});

describe("authority", () => {
  const proofAt = (term: number, index: number, issuedAtMs = NOW_MS) =>
    world.proof(
      world.statement({ term: asTerm(term), index: asLogIndex(index), issuedAtMs }),
      world.keys,
    );
  const claim = (authority: Claim["authority"], proof: Claim["proof"] = null): Claim => {
    return { authority, proof };
  };

  test("goes primary, seed, latent, cached", () => {
    const claims = [
      claim("cached"),
      claim("seed", proofAt(9, 9)),
      claim("latent"),
      claim("primary", proofAt(1, 1)),
    ];
    const order = orderClaims(claims, NOW_MS).map(({ authority }) => authority);
    expect(order).toEqual(["primary", "seed", "latent", "cached"]);
  });

  test("is not had by saying so: no proof, or an old one, makes no primary", () => {
    expect(provenAuthority(claim("primary"), NOW_MS)).toBe("latent");
    expect(provenAuthority(claim("seed"), NOW_MS)).toBe("latent");
    expect(provenAuthority(claim("primary", proofAt(1, 1)), NOW_MS + 30_001)).toBe("seed");
  });

  test("of several seeds the highest proof wins", () => {
    const [low, high] = [claim("seed", proofAt(2, 500)), claim("seed", proofAt(3, 10))];
    expect(orderClaims([low, high], NOW_MS)[0]).toBe(high);
  });
});
