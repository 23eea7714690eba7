import { expect, test } from "bun:test";
import { SyncPolicy } from "./sync-policy.ts";

function observed(policy: SyncPolicy, kind: "threaded" | "blocking", ms: number, count: number) {
  for (let i = 0; i < count; i++) {
    if (kind === "threaded") policy.observeThreaded(ms);
    else policy.observeBlocking(ms);
  }
}

test("a disk that may be fast is tried, and blocked on while it is", () => {
  const policy = new SyncPolicy();
  expect(policy.mayBlock()).toBe(false);
  observed(policy, "threaded", 0.6, 8);
  expect(policy.mayBlock()).toBe(true);
  observed(policy, "blocking", 0.1, 50);
  expect(policy.mayBlock()).toBe(true);
});

test("one slow sync among fast ones changes nothing, a slow disk does at once", () => {
  const policy = new SyncPolicy();
  observed(policy, "threaded", 0.6, 8);
  observed(policy, "blocking", 0.1, 50);
  observed(policy, "blocking", 5, 1);
  expect(policy.mayBlock()).toBe(true);
  observed(policy, "blocking", 20, 1);
  expect(policy.mayBlock()).toBe(false);
});

test("an SD card is never blocked on", () => {
  const policy = new SyncPolicy();
  observed(policy, "threaded", 20, 1_000);
  expect(policy.mayBlock()).toBe(false);
});

test("a try that was slow ends the trying until there is reason again", () => {
  const policy = new SyncPolicy();
  observed(policy, "threaded", 1.5, 8);
  observed(policy, "blocking", 1.2, 1);
  expect(policy.mayBlock()).toBe(false);
  observed(policy, "threaded", 1.5, 7);
  expect(policy.mayBlock()).toBe(false);
});
