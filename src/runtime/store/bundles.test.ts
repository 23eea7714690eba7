import { expect, test } from "bun:test";
import { asGroupId, asNodeId } from "../../base/index.ts";
import { readBundleHead } from "../../domain/replication/index.ts";
import { BundleSigner } from "./bundles.ts";

const HOUR_MS = 3_600_000;
const START_MS = 1_000 * HOUR_MS;

function signerAt(at: { wallMs: number; pinnedMs: number }) {
  const authority = {
    node: asNodeId("a"),
    sign: () => new Uint8Array(64),
    verify: () => true,
    mayWrite: () => true,
  };
  const clock = { wallMs: () => at.wallMs, monotonicMs: () => 0, after: () => ({ cancel() {} }) };
  const signer = new BundleSigner(authority, clock, asGroupId("main"), () => at.pinnedMs);
  return () => readBundleHead(signer.sign([]).payload).hybridTimeMs;
}

test("a bundle's time never falls while the clock is set back a little, nor behind the shard's", () => {
  const at = { wallMs: START_MS, pinnedMs: 0 };
  const timeMs = signerAt(at);
  expect(timeMs()).toBe(START_MS);
  at.wallMs -= 60_000;
  expect(timeMs()).toBe(START_MS);
  at.pinnedMs = START_MS + 5_000;
  expect(timeMs()).toBe(START_MS + 5_000);
});

test("after a clock that was wrong by far a node signs with the right time again", () => {
  const at = { wallMs: START_MS + HOUR_MS, pinnedMs: START_MS };
  const timeMs = signerAt(at);
  expect(timeMs()).toBe(START_MS + HOUR_MS);
  at.wallMs = START_MS + 1_000;
  expect(timeMs()).toBe(START_MS + 1_000);
});
