/** What a replica hands to one that has lost its database. */

import { expect, test } from "bun:test";
import { asGroupId, asLogIndex, asNodeId, asTerm } from "../../src/base/index.ts";
import { encodeCbor } from "../../src/domain/wire/index.ts";
import { methodPrefixOf } from "../../src/runtime/store/index.ts";
import { decodeSnapshotInfo } from "../../src/runtime/store/rpc.ts";
import { idleLog, loneShard } from "./lone-shard.ts";

test("an idle replica's snapshot holds the no-ops it has applied, without a checkpoint before", async () => {
  const { scheduler, shard } = loneShard(() => idleLog(null));
  for (const index of [2, 3]) {
    const payload = new Uint8Array(0);
    shard.stateMachine.apply([
      { index: asLogIndex(index), term: asTerm(index), kind: "noop", payload },
    ]);
  }
  await scheduler.settle(Promise.resolve());
  expect(shard.status().appliedIndex).toBe(asLogIndex(3));
  const method = `${methodPrefixOf(asGroupId("main"))}snapshot-open`;
  const opened = shard.handle(asNodeId("b"), method, encodeCbor({ atLeast: 3 }));
  const info = decodeSnapshotInfo(await scheduler.settle(opened, 1_000));
  expect(info.meta.index).toBe(asLogIndex(3));
  shard.stop();
});
