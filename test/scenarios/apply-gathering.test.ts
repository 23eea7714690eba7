/** Followers execute what is committed in groups; who waits for an entry does not wait for its group. */

import { expect, test } from "bun:test";
import { SHARD_LIMITS } from "../../src/runtime/store/index.ts";
import { ReplicatedShards } from "./replicated-shards.ts";

test("a follower gathers for a few milliseconds", async () => {
  const shards = await ReplicatedShards.start("a", "b", "c");
  for (let i = 0; i < 3; i++) expect(await shards.write(`set k ${i}`)).toBe("ok");
  expect(new Set(shards.images()).size).toBeGreaterThan(1);
  await shards.pass(3 * SHARD_LIMITS.applyGatherMs);
  expect(new Set(shards.images()).size).toBe(1);
  shards.stop();
});

test("a strong read on a follower ends the gathering", async () => {
  const shards = await ReplicatedShards.start("a", "b", "c");
  expect(await shards.write("set k 7")).toBe("ok");
  const begunMs = shards.scheduler.nowMs;
  expect(await shards.read("b", "get k")).toBe("7");
  expect(shards.scheduler.nowMs - begunMs).toBeLessThan(SHARD_LIMITS.applyGatherMs);
  shards.stop();
});

test("a follower that comes to lead executes what it gathered before anything else", async () => {
  const shards = await ReplicatedShards.start("a", "b", "c");
  expect(await shards.write("set k 7")).toBe("ok");
  shards.lead("b");
  expect(await shards.write("set k 8")).toBe("ok");
  expect(await shards.read("b", "get k")).toBe("8");
  expect(shards.errors).toEqual([]);
  shards.stop();
});
