/** One shard on `adapters/memory` with a log that a test makes, and no peers. */

import {
  MemoryHost,
  MemoryLogger,
  MemoryMetrics,
  MemoryShardDatabase,
  MemoryShardDisk,
  Scheduler,
} from "../../src/adapters/memory/index.ts";
import {
  asGroupId,
  asLogIndex,
  asNodeId,
  asRequestId,
  asTerm,
  type NodeId,
} from "../../src/base/index.ts";
import type { Program } from "../../src/domain/sql/index.ts";
import type { Clock, GroupLog } from "../../src/ports/index.ts";
import { SHARD_LIMITS, Shard, type ShardOptions } from "../../src/runtime/store/index.ts";

export const LONE_NODE = asNodeId("a");

export const SET_PROGRAM: Program = {
  steps: [
    {
      condition: null,
      statement: { sql: "set k 1", args: [], namedArgs: [], wantRows: true },
    },
  ],
};

export const SET_REQUEST = {
  id: asRequestId("00".repeat(16)),
  role: "write",
  program: SET_PROGRAM,
} as const;

/** A log that takes no proposal and has nothing; `leader` leads. */
export function idleLog(leader: NodeId | null): GroupLog {
  return {
    leadership: () => ({ term: asTerm(1), leader, ready: leader === LONE_NODE }),
    propose: () => null,
    readIndex: () => Promise.resolve(asLogIndex(1)),
    metaAt: (index) => ({ index, term: asTerm(1), configuration: new Uint8Array(0) }),
    commitIndex: () => asLogIndex(1),
    compact: () => undefined,
    handOver: () => undefined,
    weights: () => new Map(),
  };
}

export function loneShard(
  makeLog: (clock: Clock) => GroupLog,
  options: Partial<ShardOptions> = {},
): { readonly scheduler: Scheduler; readonly shard: Shard } {
  const scheduler = new Scheduler(1);
  const host = new MemoryHost("a", scheduler);
  const log = makeLog(host);
  const timing = { writeMs: () => 0, readMs: () => 0 };
  const shard = new Shard(
    {
      shard: asGroupId("main"),
      clock: host,
      logger: new MemoryLogger(() => undefined),
      metrics: new MemoryMetrics(),
      database: new MemoryShardDatabase(new MemoryShardDisk(), host, timing),
      log,
      peers: { request: () => Promise.reject(new Error("there is no peer")) },
      authority: {
        node: LONE_NODE,
        sign: (payload) => payload.slice(0, 64),
        verify: () => true,
        mayWrite: () => true,
      },
      entropy: (sizeBytes) => new Uint8Array(sizeBytes),
      replicaNodes: () => [],
      refill: () => "copy",
      quorumUnseenMs: () => 0,
      clockOffMs: () => 0,
      aheadMs: () => 0,
      onApplied: () => undefined,
      onFatal: (error) => {
        throw error;
      },
      limits: SHARD_LIMITS,
      ...options,
    },
    { appliedIndex: asLogIndex(1), pinnedTimeMs: 0, installed: null },
  );
  shard.stateMachine.leadershipChanged(log.leadership());
  return { scheduler, shard };
}
