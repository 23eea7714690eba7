import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { concatBytes, SeededRandom } from "../../base/index.ts";
import { CHUNK_SIZE_MAX, CHUNK_SIZE_MIN, chunkSizeAt, chunksOf } from "./chunker.ts";

function noise(sizeBytes: number, seed: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(sizeBytes / 4));
  let state = seed | 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer).subarray(0, sizeBytes);
}

function hashesOf(bytes: Uint8Array): string[] {
  return [...chunksOf(bytes)].map(({ offset, sizeBytes }) =>
    createHash("sha256")
      .update(bytes.subarray(offset, offset + sizeBytes))
      .digest("hex"),
  );
}

test("chunksOf() covers a file without gaps, each chunk within its bounds", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1_500_000 }), fc.integer(), (sizeBytes, seed) => {
      let end = 0;
      for (const chunk of chunksOf(noise(sizeBytes, seed))) {
        expect(chunk.offset).toBe(end);
        end += chunk.sizeBytes;
        expect(chunk.sizeBytes).toBeLessThanOrEqual(CHUNK_SIZE_MAX);
        if (end < sizeBytes) expect(chunk.sizeBytes).toBeGreaterThan(CHUNK_SIZE_MIN);
      }
      expect(end).toBe(sizeBytes);
    }),
    { numRuns: 30 },
  );
});

test("chunks of noise have 64 KiB on average", () => {
  const bytes = noise(32 * 1_024 * 1_024, 7);
  const average = bytes.length / hashesOf(bytes).length;
  expect(average).toBeGreaterThan(56 * 1_024);
  expect(average).toBeLessThan(72 * 1_024);
});

test("bytes inserted or changed anywhere cost few chunks", () => {
  const random = new SeededRandom(11);
  const old = noise(8 * 1_024 * 1_024, 3);
  const known = new Set(hashesOf(old));
  for (let round = 0; round < 20; round++) {
    const at = random.below(old.length);
    const fresh = concatBytes(
      old.subarray(0, at),
      noise(1 + random.below(999), round),
      old.subarray(at),
    );
    const missing = hashesOf(fresh).filter((hash) => !known.has(hash));
    expect(missing.length).toBeGreaterThan(0);
    expect(missing.length).toBeLessThan(6);
  }
});

test("a window of CHUNK_SIZE_MAX bytes is enough to find a chunk", () => {
  const bytes = noise(2_000_000, 5);
  for (const { offset, sizeBytes } of chunksOf(bytes)) {
    expect(chunkSizeAt(bytes.slice(offset, offset + CHUNK_SIZE_MAX), 0)).toBe(sizeBytes);
  }
});

test("the cuts are those of every release before", () => {
  // Whoever changes these numbers makes every node fetch a whole core once.
  const sizes = [...chunksOf(noise(1_000_000, 1))].map((chunk) => chunk.sizeBytes);
  expect(sizes).toEqual([
    33868, 51084, 43759, 59729, 71963, 21326, 19287, 60558, 29854, 63431, 58521, 53549, 58444,
    65624, 56787, 77924, 62684, 40502, 54039, 17067,
  ]);
  expect([...chunksOf(new Uint8Array(600_000))].map((chunk) => chunk.sizeBytes)).toEqual([
    CHUNK_SIZE_MAX,
    CHUNK_SIZE_MAX,
    600_000 - 2 * CHUNK_SIZE_MAX,
  ]);
});
