import { expect, test } from "bun:test";
import { asNodeId } from "../../base/index.ts";
import { makeIsolationProof, ProofChecker, type ProofContext } from "./isolation-proof.ts";

const KEY = new Uint8Array(32).fill(7);
const OTHER_KEY = new Uint8Array(32).fill(8);
const NONCE = new Uint8Array(16).fill(1);
const NOW_MS = 1_800_000_000_000;
const MINUTE_MS = 60_000;
const CONTEXT: ProofContext = {
  from: asNodeId("a"),
  to: asNodeId("b"),
  binding: new Uint8Array(32).fill(3),
};
const proof = makeIsolationProof(KEY, CONTEXT, NONCE, NOW_MS);

test("accept() takes a proof under any of the keys, once", () => {
  const checker = new ProofChecker();
  expect(checker.accept([OTHER_KEY, KEY], CONTEXT, proof, NOW_MS)).toBe(true);
  expect(checker.accept([OTHER_KEY, KEY], CONTEXT, proof, NOW_MS)).toBe(false);
});

test("accept() refuses another key, another direction, another session and a flipped bit", () => {
  const checker = new ProofChecker();
  const reflected = { ...CONTEXT, from: CONTEXT.to, to: CONTEXT.from };
  const moved = { ...CONTEXT, binding: new Uint8Array(32).fill(4) };
  expect(checker.accept([OTHER_KEY], CONTEXT, proof, NOW_MS)).toBe(false);
  expect(checker.accept([], CONTEXT, proof, NOW_MS)).toBe(false);
  expect(checker.accept([KEY], reflected, proof, NOW_MS)).toBe(false);
  expect(checker.accept([KEY], moved, proof, NOW_MS)).toBe(false);
  for (let bit = 0; bit < proof.length * 8; bit++) {
    const flipped = proof.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    expect(checker.accept([KEY], CONTEXT, flipped, NOW_MS)).toBe(false);
  }
  expect(checker.seenCount).toBe(0);
  expect(checker.accept([KEY], CONTEXT, proof.subarray(1), NOW_MS)).toBe(false);
});

test("accept() takes a proof a minute off either way and none older or newer", () => {
  for (const [offMs, taken] of [
    [MINUTE_MS, true],
    [-MINUTE_MS, true],
    [2 * MINUTE_MS, false],
    [-2 * MINUTE_MS, false],
  ] as const) {
    expect(new ProofChecker().accept([KEY], CONTEXT, proof, NOW_MS + offMs)).toBe(taken);
  }
});

test("accept() forgets proofs whose minute no longer counts", () => {
  const checker = new ProofChecker();
  for (let minute = 0; minute < 10; minute++) {
    const nowMs = NOW_MS + minute * MINUTE_MS;
    const made = makeIsolationProof(KEY, CONTEXT, NONCE, nowMs);
    expect(checker.accept([KEY], CONTEXT, made, nowMs)).toBe(true);
    expect(checker.seenCount).toBeLessThanOrEqual(3);
  }
});
