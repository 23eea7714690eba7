/** A replica that leads nobody and sees no quorum refuses soon; one that only waits for an election goes on waiting. */

import { expect, test } from "bun:test";
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
  errorCodeOf,
  MyceliumError,
} from "../../src/base/index.ts";
import type { GroupLog, SqlService } from "../../src/ports/index.ts";
import { SHARD_LIMITS, Shard } from "../../src/runtime/store/index.ts";

const NODE = asNodeId("a");
const PROGRAM = {
  steps: [
    {
      condition: null,
      statement: { sql: "set k 1", args: [], namedArgs: [], wantRows: true },
    },
  ],
};
/** Longer than a step of the pump, much shorter than all the time that retries may take. */
const SOON_MS = 2 * SHARD_LIMITS.cutOffMs + 500;

/** A shard whose group has no leader, and how long its node has seen no quorum. */
function leaderless(quorumUnseenMs: (nowMs: number) => number) {
  const scheduler = new Scheduler(1);
  const host = new MemoryHost("a", scheduler);
  const log: GroupLog = {
    leadership: () => ({ term: asTerm(1), leader: null, ready: false }),
    propose: () => null,
    readIndex: (timeoutMs) =>
      new Promise((_, reject) =>
        host.after(timeoutMs, () => reject(new MyceliumError("NO_QUORUM", "no leader"))),
      ),
    metaAt: (index) => ({ index, term: asTerm(1), configuration: new Uint8Array(0) }),
    commitIndex: () => asLogIndex(1),
    compact: () => undefined,
    handOver: () => undefined,
    weights: () => new Map(),
  };
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
        node: NODE,
        sign: (payload) => payload.slice(0, 64),
        verify: () => true,
        mayWrite: () => true,
      },
      entropy: (sizeBytes) => new Uint8Array(sizeBytes),
      replicaNodes: () => [],
      quorumUnseenMs: () => quorumUnseenMs(scheduler.nowMs),
      onApplied: () => undefined,
      onFatal: (error) => {
        throw error;
      },
      limits: SHARD_LIMITS,
    },
    { appliedIndex: asLogIndex(1), pinnedTimeMs: 0, installed: null },
  );
  shard.stateMachine.leadershipChanged(log.leadership());
  return { scheduler, shard };
}

const CALLS: Readonly<Record<string, (service: SqlService) => Promise<unknown>>> = {
  write: (service) =>
    service.write({ id: asRequestId("00".repeat(16)), role: "write", program: PROGRAM }),
  "interactive transaction": (service) => service.begin("write", "write"),
  "strong read": (service) =>
    service.read(PROGRAM, {
      role: "read",
      consistency: { level: "strong" },
      deadlineMs: 1_000,
    }),
};

async function refusedAfterMs(call: string, quorumUnseenMs: (nowMs: number) => number) {
  const { scheduler, shard } = leaderless(quorumUnseenMs);
  const code = CALLS[call]?.(shard.service).then(
    () => "none",
    (error: unknown) => errorCodeOf(error) ?? String(error),
  );
  expect(await scheduler.settle(code ?? Promise.resolve("no call"))).toBe("NO_QUORUM");
  shard.stop();
  return scheduler.nowMs;
}

for (const call of Object.keys(CALLS)) {
  test(`a ${call} is refused soon where no quorum is seen`, async () => {
    expect(await refusedAfterMs(call, (nowMs) => nowMs)).toBeLessThan(SOON_MS);
    expect(await refusedAfterMs(call, () => 60_000)).toBeLessThan(SOON_MS);
  });

  test(`a ${call} waits for an election where a quorum is seen`, async () => {
    expect(await refusedAfterMs(call, () => 0)).toBeGreaterThan(SHARD_LIMITS.retryMs - 100);
  });
}
