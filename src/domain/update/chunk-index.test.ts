import { expect, test } from "bun:test";
import fc from "fast-check";
import { errorCodeOf, utf8 } from "../../base/index.ts";
import {
  CHUNK_INDEX_SIZE_MAX,
  type ChunkIndex,
  decodeChunkIndex,
  encodeChunkIndex,
  packSizeBytes,
} from "./chunk-index.ts";
import { CHUNK_SIZE_MAX } from "./chunker.ts";

const A = "a".repeat(64);
const B = "b".repeat(64);
const INDEX: ChunkIndex = {
  version: "0.2.0",
  coreSha256: "c".repeat(64),
  coreSizeBytes: 250_000,
  chunks: [
    { sha256: A, sizeBytes: 100_000, packOffset: 0, packSizeBytes: 50_000 },
    { sha256: B, sizeBytes: 50_000, packOffset: 50_000, packSizeBytes: 50_100 },
    { sha256: A, sizeBytes: 100_000, packOffset: 0, packSizeBytes: 50_000 },
  ],
};

/** The refusal of INDEX's JSON with some fields replaced. */
function refusalOf(change: object): string {
  const json = { ...JSON.parse(new TextDecoder().decode(encodeChunkIndex(INDEX))), ...change };
  return messageOf(utf8(JSON.stringify(json)));
}

function messageOf(bytes: Uint8Array): string {
  try {
    decodeChunkIndex(bytes);
  } catch (error) {
    expect(errorCodeOf(error)).toBe("MALFORMED");
    return (error as Error).message;
  }
  return "accepted";
}

test("a chunk index is read back as it was written, and is canonical JSON", () => {
  const bytes = encodeChunkIndex(INDEX);
  expect(decodeChunkIndex(bytes)).toEqual(INDEX);
  expect(new TextDecoder().decode(bytes)).toBe(
    `{"chunks":[["${A}",100000,0,50000],["${B}",50000,50000,50100],["${A}",100000,0,50000]],` +
      `"core":{"sha256":"${"c".repeat(64)}","size":250000},"format":1,"version":"0.2.0"}`,
  );
  expect(packSizeBytes(INDEX)).toBe(100_100);
});

test("an index that does not make the core, or leaves gaps in the pack, is refused", () => {
  expect(refusalOf({ core: { sha256: A, size: 249_999 } })).toContain("chunks of 250000 bytes");
  expect(refusalOf({ chunks: [] })).toContain("chunks of 0 bytes");
  expect(refusalOf({ chunks: [[A, 250_000, 1, 9]] })).toContain("at 1 of the pack");
  const halves = [
    [A, 125_000, 0, 9],
    [A, 125_000, 9, 9],
  ];
  expect(refusalOf({ chunks: halves })).toContain("two different entries");
});

test("an index with foreign values is refused", () => {
  expect(refusalOf({})).toBe("accepted");
  expect(refusalOf({ format: 2 })).toContain("format");
  expect(refusalOf({ version: "../0.2.0" })).toContain("version");
  expect(refusalOf({ version: "1".repeat(33) })).toContain("version");
  expect(refusalOf({ core: { sha256: A.toUpperCase(), size: 250_000 } })).toContain("core.sha256");
  expect(refusalOf({ core: { sha256: A, size: 2 ** 40 } })).toContain("core.size");
  expect(refusalOf({ chunks: [[A, CHUNK_SIZE_MAX + 1, 0, 1]] })).toContain("chunks[0][1]");
  expect(refusalOf({ chunks: [[A, 1_000, 0, 5_000]] })).toContain("chunks[0][3]");
  expect(refusalOf({ chunks: [[A, 1_000, -1, 500]] })).toContain("chunks[0][2]");
  expect(refusalOf({ chunks: [[A, 1_000, 0, 500, 0]] })).toContain("chunks[0]");
  expect(messageOf(utf8("[]"))).toContain("a map");
  expect(messageOf(utf8("{"))).toContain("no JSON");
  expect(messageOf(Uint8Array.of(0xff))).toContain("no JSON");
  expect(messageOf(new Uint8Array(CHUNK_INDEX_SIZE_MAX + 1))).toContain("bytes");
});

test("whatever the bytes, the decoder answers or refuses", () => {
  const good = encodeChunkIndex(INDEX);
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
      const bytes = good.slice();
      bytes[at] = byte;
      messageOf(bytes);
    }),
  );
});
