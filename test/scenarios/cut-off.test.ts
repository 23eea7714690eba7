/** A replica that leads nobody and sees no quorum refuses soon; one that only waits for an election goes on waiting. */

import { expect, test } from "bun:test";
import { errorCodeOf, MyceliumError } from "../../src/base/index.ts";
import type { Clock, GroupLog, SqlService } from "../../src/ports/index.ts";
import { SHARD_LIMITS } from "../../src/runtime/store/index.ts";
import { idleLog, loneShard, SET_PROGRAM, SET_REQUEST } from "./lone-shard.ts";

/** Longer than a step of the wait, much shorter than all the time that retries may take. */
const SOON_MS = 2 * SHARD_LIMITS.cutOffMs + 500;

function leaderlessLog(clock: Clock): GroupLog {
  const noQuorum = new MyceliumError("NO_QUORUM", "no leader");
  return {
    ...idleLog(null),
    readIndex: (timeoutMs) =>
      new Promise((_, reject) => clock.after(timeoutMs, () => reject(noQuorum))),
  };
}

const STRONG = { role: "read", consistency: { level: "strong" }, deadlineMs: 1_000 } as const;
const CALLS: Readonly<Record<string, (service: SqlService) => Promise<unknown>>> = {
  write: (service) => service.write(SET_REQUEST),
  "write transaction": (service) => service.begin("write", "write"),
  "strong read": (service) => service.read(SET_PROGRAM, STRONG),
};

/** `unseenMs`: for how long the node has seen no quorum, by the time. */
async function refusedAfterMs(
  call: (service: SqlService) => Promise<unknown>,
  unseenMs: (nowMs: number) => number,
): Promise<number> {
  let nowMs = () => 0;
  const options = { quorumUnseenMs: () => unseenMs(nowMs()) };
  const { scheduler, shard } = loneShard(leaderlessLog, options);
  nowMs = () => scheduler.nowMs;
  const code = call(shard.service).then(() => "none", errorCodeOf);
  expect(await scheduler.settle(code)).toBe("NO_QUORUM");
  shard.stop();
  return scheduler.nowMs;
}

for (const [name, call] of Object.entries(CALLS)) {
  test(`a ${name} is refused soon where no quorum is seen`, async () => {
    expect(await refusedAfterMs(call, (nowMs) => nowMs)).toBeLessThan(SOON_MS);
  });

  test(`a ${name} is refused at once where none has been seen for long`, async () => {
    expect(await refusedAfterMs(call, () => 60_000)).toBeLessThan(200);
  });

  test(`a ${name} waits for an election where a quorum is seen`, async () => {
    expect(await refusedAfterMs(call, () => 0)).toBeGreaterThan(SHARD_LIMITS.retryMs - 100);
  });
}
