/** A leader whose clock most members say is wrong puts no time into the log that would never fall again: it gives way. */

import { expect, test } from "bun:test";
import { idleLog, LONE_NODE, loneShard, SET_REQUEST } from "./lone-shard.ts";

const MINUTE_MS = 60_000;

/** How often a leader with such a clock proposed a write, and why it handed over. */
async function whenOff(offMs: number): Promise<{ proposals: number; reasons: string[] }> {
  const reasons: string[] = [];
  let proposals = 0;
  const makeLog = () => ({
    ...idleLog(LONE_NODE),
    propose: () => {
      proposals++;
      return null;
    },
    handOver: (reason: string) => void reasons.push(reason),
  });
  const { scheduler, shard } = loneShard(makeLog, { clockOffMs: () => offMs });
  await scheduler.settle(shard.service.write(SET_REQUEST).catch(() => undefined));
  shard.stop();
  return { proposals, reasons };
}

for (const minutes of [6, -6]) {
  test(`a clock that is ${minutes} minutes off proposes nothing and hands over`, async () => {
    const { proposals, reasons } = await whenOff(minutes * MINUTE_MS);
    expect(proposals).toBe(0);
    expect(reasons[0]).toBe("its clock is off");
  });
}

test("a clock that is a little off writes", async () => {
  const { proposals, reasons } = await whenOff(4 * MINUTE_MS);
  expect(proposals).toBeGreaterThan(0);
  expect(reasons).toEqual([]);
});
