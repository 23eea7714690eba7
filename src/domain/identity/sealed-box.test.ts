import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { fromHex, toHex } from "../../base/index.ts";
import { BOX_OVERHEAD_BYTES, boxPublicKey, openBox, sealBox } from "./sealed-box.ts";

const secret = fc.uint8Array({ minLength: 32, maxLength: 32 });

describe("sealed boxes", () => {
  test("RFC 7748 6.1: the published keys", () => {
    const secretOfBob = fromHex(
      "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
    )!;
    expect(toHex(boxPublicKey(secretOfBob))).toBe(
      "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
    );
  });

  test("only the recipient's secret opens a box, and only for its purpose", () => {
    fc.assert(
      fc.property(secret, secret, secret, fc.uint8Array(), (own, other, ephemeral, content) => {
        fc.pre(toHex(boxPublicKey(own)) !== toHex(boxPublicKey(other)));
        const box = sealBox(boxPublicKey(own), ephemeral, "test", content)!;
        expect(box.length).toBe(content.length + BOX_OVERHEAD_BYTES);
        expect(openBox(own, "test", box)).toEqual(content);
        expect(openBox(other, "test", box)).toBeNull();
        expect(openBox(own, "another", box)).toBeNull();
      }),
      { numRuns: 50 },
    );
  });

  test("any flipped bit or missing byte closes it", () => {
    const own = new Uint8Array(32).fill(3);
    const box = sealBox(boxPublicKey(own), new Uint8Array(32).fill(4), "t", Uint8Array.of(1, 2))!;
    for (let bit = 0; bit < box.length * 8; bit += 3) {
      const flipped = box.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      // X25519 ignores the top bit of a public key; the key derivation does not.
      expect(openBox(own, "t", flipped)).toBeNull();
    }
    for (let size = 0; size < box.length; size++) {
      expect(openBox(own, "t", box.subarray(0, size))).toBeNull();
    }
  });

  test("keys of small order and of wrong size are refused", () => {
    const ephemeral = new Uint8Array(32).fill(5);
    for (const key of [
      new Uint8Array(32),
      Uint8Array.of(1, ...new Uint8Array(31)),
      new Uint8Array(5),
    ]) {
      expect(sealBox(key, ephemeral, "t", Uint8Array.of(1))).toBeNull();
    }
  });
});
