import { expect, test } from "bun:test";
import { asGroupId, asNodeId, asRequestId, errorCodeOf } from "../../base/index.ts";
import type { Batch, Bundle } from "./batch.ts";
import { decodeBatch, encodeBatch } from "./batch-codec.ts";
import { decodeBundle, encodeBundle } from "./bundle-codec.ts";

const BUNDLE: Bundle = {
  author: asNodeId("12D3KooWExample"),
  shard: asGroupId("main"),
  hybridTimeMs: 1_700_000_000_123,
  requests: [1, 2].map((n) => ({
    id: asRequestId(`request-${n}`),
    role: "write" as const,
    program: {
      steps: [
        {
          statement: {
            sql: "INSERT INTO t VALUES (?)",
            args: [BigInt(n), "x"],
            namedArgs: [],
            wantRows: false,
          },
          condition: null,
        },
      ],
    },
  })),
};

const BATCH: Batch = {
  context: { timeMs: 1_700_000_000_456, seed: new Uint8Array(16).fill(7) },
  bundles: [{ payload: encodeBundle(BUNDLE), signature: new Uint8Array(64).fill(9) }],
  skipped: [[0, 1]],
  digest: new Uint8Array(32).fill(5),
  check: null,
};

const CHECK: Batch = { ...BATCH, bundles: [], skipped: [], check: "überall" };

function codeOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return errorCodeOf(error) ?? String(error);
  }
}

test("bundles and batches survive their codecs, and equal ones have equal bytes", () => {
  expect(decodeBundle(encodeBundle(BUNDLE))).toEqual(BUNDLE);
  expect(decodeBatch(encodeBatch(BATCH))).toEqual(BATCH);
  expect(decodeBatch(encodeBatch(CHECK))).toEqual(CHECK);
  expect(encodeBundle(structuredClone(BUNDLE))).toEqual(encodeBundle(BUNDLE));
});

test("every cut and every changed byte is MALFORMED or means something else", () => {
  for (const [bytes, decode] of [
    [encodeBundle(BUNDLE), decodeBundle],
    [encodeBatch(BATCH), decodeBatch],
    [encodeBatch(CHECK), decodeBatch],
  ] as const) {
    for (let at = 0; at < bytes.length; at++) {
      expect(codeOf(() => decode(bytes.subarray(0, at)))).toBe("MALFORMED");
      for (const flip of [1, 0x80, 0xff]) {
        const changed = new Uint8Array(bytes);
        changed[at] = (changed[at] ?? 0) ^ flip;
        expect([undefined, "MALFORMED", "TOO_LARGE"]).toContain(codeOf(() => decode(changed)));
      }
    }
    expect(codeOf(() => decode(Uint8Array.of(...bytes, 0)))).toBe("MALFORMED");
  }
});

test("a batch of another format is refused by number", () => {
  const bytes = encodeBatch(BATCH);
  bytes[0] = 9;
  expect(() => decodeBatch(bytes)).toThrow("found format 9, needed 1 or 2");
});

test("a batch without a check has the bytes it had before there were checks", () => {
  expect(encodeBatch(BATCH)[0]).toBe(1);
  expect(encodeBatch(CHECK)[0]).toBe(2);
});

test("a check beside requests is a bug of its maker, and malformed in a log", () => {
  expect(() => encodeBatch({ ...CHECK, bundles: BATCH.bundles })).toThrow("checks no table");
  const bytes = encodeBatch(BATCH);
  expect(codeOf(() => decodeBatch(Uint8Array.of(2, ...bytes.subarray(1), 1, 0x74)))).toBe(
    "MALFORMED",
  );
});

test("a batch with a seed or digest of the wrong size is a bug of its maker", () => {
  const wrong = { ...BATCH, context: { ...BATCH.context, seed: new Uint8Array(15) } };
  expect(() => encodeBatch(wrong)).toThrow("another size: found 15");
});
