import { expect, test } from "bun:test";
import { asNodeId } from "../base/index.ts";
import { ClockCheck } from "./clock-check.ts";

const HOUR_MS = 3_600_000;
const [B, C] = [asNodeId("b"), asNodeId("c")] as const;

function checkAt(wallMs: number) {
  const at = { wallMs, monotonicMs: 5_000 };
  const clock = {
    wallMs: () => at.wallMs,
    monotonicMs: () => at.monotonicMs,
    after: () => ({ cancel: () => {} }),
  };
  const pass = (ms: number) => {
    at.wallMs += ms;
    at.monotonicMs += ms;
  };
  return { at, pass, check: new ClockCheck(clock) };
}

test("clocks that agree go on agreeing, however long the link is up", () => {
  const { check, pass } = checkAt(1_000_000);
  check.note(B, 1_000_400);
  check.note(C, 999_000);
  pass(100 * HOUR_MS);
  expect(check.offMs()).toBeNull();
  expect(Math.abs(check.aheadOfAllMs())).toBeLessThan(1_500);
});

test("a jump of this clock is seen at once, and forgotten when it is set right", () => {
  const { at, check } = checkAt(1_000_000);
  check.note(B, 1_000_000);
  check.note(C, 1_000_000);
  at.wallMs += HOUR_MS;
  expect(check.offMs()).toBe(HOUR_MS);
  expect(check.aheadOfAllMs()).toBe(HOUR_MS);
  at.wallMs -= HOUR_MS;
  expect(check.offMs()).toBeNull();
  expect(check.aheadOfAllMs()).toBe(0);
});

test("of two clocks nobody knows which is right; a peer that is gone has no say", () => {
  const { check } = checkAt(1_000_000);
  check.note(B, 1_000_000 - HOUR_MS);
  expect(check.offMs()).toBe(HOUR_MS);
  expect(check.aheadOfAllMs()).toBe(0);
  check.note(C, 1_000_000 - HOUR_MS);
  expect(check.aheadOfAllMs()).toBe(HOUR_MS);
  check.forget(C);
  expect(check.aheadOfAllMs()).toBe(0);
});

test("a peer's time is judged by most clocks, also where this one is wrong, and by nobody among two", () => {
  const { check } = checkAt(1_000_000);
  expect(check.peerAheadMs(B, 1_000_000 + HOUR_MS)).toBe(0);
  check.note(B, 1_000_000);
  expect(check.peerAheadMs(B, 1_000_000 + HOUR_MS)).toBe(0);
  check.note(C, 1_001_000);
  expect(check.peerAheadMs(B, 1_000_000 + HOUR_MS)).toBe(HOUR_MS - 1_000);
  expect(check.peerAheadMs(B, 1_000_000 - HOUR_MS)).toBe(-HOUR_MS);
  check.note(C, 1_000_000 + HOUR_MS);
  expect(check.peerAheadMs(B, 1_000_000 + HOUR_MS)).toBe(0);
});
