/** No client and no validator can make a leader propose more than one log entry holds. */

import { expect, test } from "bun:test";
import { ReplicatedShards } from "./replicated-shards.ts";

test("a write that no log entry holds is refused, and the leader goes on", async () => {
  const shards = await ReplicatedShards.start("a", "b", "c");
  expect(await shards.write(`set k ${"x".repeat(9 << 20)}`)).toBe("TOO_LARGE");
  expect(await shards.write("set k 1")).toBe("ok");
  shards.stop();
});

test("large writes that come at once are logged in entries that hold them", async () => {
  const shards = await ReplicatedShards.start("a", "b", "c");
  const writes = Array.from({ length: 12 }, (_, i) =>
    shards.write(`set k${i} ${"x".repeat(900_000)}`),
  );
  expect(await Promise.all(writes)).toEqual(writes.map(() => "ok"));
  expect(shards.largestEntryBytes).toBeLessThan(4 << 20);
  shards.stop();
});
