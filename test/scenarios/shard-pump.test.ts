/**
 * A shard's pump must not lose a wake-up, however few promise jobs lie between a proposal and its commit. The
 * simulator cannot see this: there, a commit is always an event of its own.
 */

import { expect, test } from "bun:test";
import { asLogIndex, asRequestId, asTerm } from "../../src/base/index.ts";
import type { GroupLog, StateMachine } from "../../src/ports/index.ts";
import { LONE_NODE, loneShard } from "./lone-shard.ts";

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

  leadership = () => ({ term: TERM, leader: LONE_NODE, ready: true });
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

test("a write ends without a timer, however soon its entry is committed", async () => {
  for (let jobs = 0; jobs <= JOBS_MAX; jobs++) {
    const log = new ImmediateLog(jobs);
    const { scheduler, shard } = loneShard(() => log);
    log.machine = shard.stateMachine;
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
