/**
 * A shard's pump must not lose a wake-up, however few promise jobs lie between a proposal and its commit. The
 * simulator cannot see this: there, a commit is always an event of its own.
 */

import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  MemoryHost,
  MemoryLogger,
  MemoryMetrics,
  MemoryShardDatabase,
  MemoryShardDisk,
  Scheduler,
} from "../../src/adapters/memory/index.ts";
import { asGroupId, asLogIndex, asNodeId, asRequestId, asTerm } from "../../src/base/index.ts";
import type { GroupLog, StateMachine } from "../../src/ports/index.ts";
import { SHARD_LIMITS, Shard } from "../../src/runtime/store/index.ts";

const NODE = asNodeId("a");
const TERM = asTerm(1);
const JOBS_MAX = 40;
/** No timer of the shard fires within it: only wake-ups bring a write to its end. */
const WRITE_LIMIT_MS = 20;

/** A log of one replica that commits each proposal `jobCount` promise jobs later. */
class ImmediateLog implements GroupLog {
  machine: StateMachine | null = null;
  readonly #jobCount: number;
  #last = 1;

  constructor(jobCount: number) {
    this.#jobCount = jobCount;
  }

  leadership = () => ({ term: TERM, leader: NODE, ready: true });
  readIndex = () => Promise.resolve(asLogIndex(this.#last));
  metaAt = (index: ReturnType<typeof asLogIndex>) => ({
    index,
    term: TERM,
    configuration: new Uint8Array(0),
  });
  commitIndex = () => asLogIndex(this.#last);
  compact = () => undefined;
  handOver = () => undefined;
  weights = () => new Map();

  propose = (payload: Uint8Array) => {
    const index = asLogIndex(++this.#last);
    void this.#commitLater(() =>
      this.machine?.apply([{ index, term: TERM, kind: "command", payload }]),
    );
    return { index, term: TERM };
  };

  async #commitLater(commit: () => void): Promise<void> {
    for (let job = 0; job < this.#jobCount; job++) await null;
    commit();
  }
}

const digest = (payload: Uint8Array) =>
  new Uint8Array(createHash("sha512").update(payload).digest());

function openShard(scheduler: Scheduler, log: ImmediateLog): Shard {
  const host = new MemoryHost("a", scheduler);
  const timing = { writeMs: () => 0, readMs: () => 0 };
  const database = new MemoryShardDatabase(new MemoryShardDisk(), host, timing);
  const shard = new Shard(
    {
      shard: asGroupId("main"),
      clock: host,
      logger: new MemoryLogger(() => undefined),
      metrics: new MemoryMetrics(),
      database,
      log,
      peers: { request: () => Promise.reject(new Error("there is no peer")) },
      authority: {
        node: NODE,
        sign: digest,
        verify: (_author, payload, signature) => Buffer.compare(digest(payload), signature) === 0,
        mayWrite: () => true,
      },
      entropy: (sizeBytes) => new Uint8Array(sizeBytes),
      replicaNodes: () => [],
      refill: () => "copy",
      quorumUnseenMs: () => 0,
      clockOffMs: () => 0,
      onApplied: () => undefined,
      onFatal: (error) => {
        throw error;
      },
      limits: SHARD_LIMITS,
    },
    { appliedIndex: asLogIndex(1), pinnedTimeMs: 0, installed: null },
  );
  log.machine = shard.stateMachine;
  shard.stateMachine.leadershipChanged(log.leadership());
  return shard;
}

test("a write ends without a timer, however soon its entry is committed", async () => {
  for (let jobs = 0; jobs <= JOBS_MAX; jobs++) {
    const scheduler = new Scheduler(jobs);
    const shard = openShard(scheduler, new ImmediateLog(jobs));
    for (let round = 0; round < 5; round++) {
      const writes = [1, 2, 3].map((n) =>
        shard.service.write({
          id: asRequestId(`${jobs}-${round}-${n}`),
          role: "write",
          program: {
            steps: [
              {
                condition: null,
                statement: { sql: `set k${n} ${round}`, args: [], namedArgs: [], wantRows: true },
              },
            ],
          },
        }),
      );
      const results = await scheduler.settle(Promise.all(writes), WRITE_LIMIT_MS);
      expect(results.map((result) => result.steps[0]?.ok)).toEqual([true, true, true]);
    }
    shard.stop();
  }
});
