import { describe, expect, test } from "bun:test";
import { privateKeyFromRaw } from "@libp2p/crypto/keys";
import { ed25519 } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import { fromHex, toHex } from "../../base/index.ts";
import { nodeIdOfPublicKey, nodeKeyFromSeed, publicKeyOfNodeId, sign, verify } from "./keys.ts";

const seed = fc.uint8Array({ minLength: 32, maxLength: 32 });

describe("node keys", () => {
  test("RFC 8032 test 2 gives the published key and signature", () => {
    const key = nodeKeyFromSeed(
      fromHex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")!,
    );
    expect(toHex(key.publicKey)).toBe(
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    );
    expect(toHex(sign(key, Uint8Array.of(0x72)))).toBe(
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    );
  });

  test("a node id is libp2p's PeerId of the key and holds the key", () => {
    fc.assert(
      fc.property(seed, (bytes) => {
        const key = nodeKeyFromSeed(bytes);
        const raw = new Uint8Array([...bytes, ...key.publicKey]);
        const theirs = privateKeyFromRaw(raw).publicKey;
        expect(key.nodeId as string).toBe(theirs.toString());
        expect(publicKeyOfNodeId(key.nodeId)).toEqual(key.publicKey);
        expect(nodeIdOfPublicKey(key.publicKey)).toBe(key.nodeId);
      }),
      { numRuns: 30 },
    );
  });

  test("verify() refuses another message, another key, another signature and wrong sizes", () => {
    const key = nodeKeyFromSeed(new Uint8Array(32).fill(1));
    const other = nodeKeyFromSeed(new Uint8Array(32).fill(2));
    const message = Uint8Array.of(1, 2, 3);
    const signature = sign(key, message);
    expect(verify(key.publicKey, message, signature)).toBe(true);
    expect(verify(other.publicKey, message, signature)).toBe(false);
    expect(verify(key.publicKey, Uint8Array.of(1, 2), signature)).toBe(false);
    expect(verify(key.publicKey, message, signature.slice(1))).toBe(false);
    expect(verify(key.publicKey.slice(1), message, signature)).toBe(false);
    for (let bit = 0; bit < signature.length * 8; bit += 7) {
      const flipped = signature.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(verify(key.publicKey, message, flipped)).toBe(false);
    }
  });

  test("any 32 bytes are a key to verify() without throwing", () => {
    fc.assert(
      fc.property(seed, fc.uint8Array({ minLength: 64, maxLength: 64 }), (key, signature) => {
        expect(verify(key, Uint8Array.of(7), signature)).toBe(false);
      }),
    );
  });

  test("a key of small order verifies nothing, though the arithmetic would let it", () => {
    const torsion = ed25519.Point.fromHex(
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    );
    let point = ed25519.Point.ZERO;
    for (let i = 0; i < 8; i++) {
      const forged = new Uint8Array(64);
      forged[0] = 1;
      expect(point.isSmallOrder()).toBe(true);
      expect(verify(point.toBytes(), Uint8Array.of(i), forged)).toBe(false);
      point = point.add(torsion);
    }
    expect(point.equals(ed25519.Point.ZERO)).toBe(true);
  });

  test("publicKeyOfNodeId() is null for what is no Ed25519 PeerId", () => {
    for (const id of [
      "",
      "x",
      "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
      "0OIl",
      "1".repeat(200),
    ]) {
      expect(publicKeyOfNodeId(id)).toBeNull();
    }
  });

  test("a key object that was copied still signs", () => {
    const key = nodeKeyFromSeed(new Uint8Array(32).fill(9));
    const copy = { ...key };
    expect(sign(copy, Uint8Array.of(1))).toEqual(sign(key, Uint8Array.of(1)));
  });
});
