/** A damaged database that neither another replica nor the log can replace. */

import { expect, test } from "bun:test";
import { asRequestId } from "../../src/base/index.ts";
import { idleLog, LONE_NODE, loneShard, SET_PROGRAM, SET_REQUEST } from "./lone-shard.ts";

test("the only copy, with a log that was cut: reads are served, writes refused, and status says why", async () => {
  const { scheduler, shard } = loneShard(() => idleLog(LONE_NODE), { refill: () => "nothing" });
  await shard.resync("page 7 is damaged");
  const refused = shard.service.write({ ...SET_REQUEST, id: asRequestId("01".repeat(16)) });
  expect(await scheduler.settle(outcome(refused), 20_000)).toContain("page 7 is damaged");
  const read = shard.service.read(SET_PROGRAM, {
    role: "read",
    consistency: { level: "local" },
    deadlineMs: 1_000,
  });
  expect((await scheduler.settle(read, 5_000)).steps.length).toBe(1);
  const { problems, readOnly, resyncing } = shard.status();
  expect(resyncing).toBe(false);
  expect(readOnly).toContain("page 7 is damaged");
  expect(problems).toHaveLength(1);
  expect(problems[0]?.what).toContain("only copy");
  expect(problems[0]?.why).toContain("the log was cut");
  shard.stop();
});

test("the only copy, with a whole log: nothing is fetched, the agent's next life fills it", async () => {
  const reasons: string[] = [];
  const { shard } = loneShard(() => idleLog(LONE_NODE), {
    refill: (reason) => {
      reasons.push(reason);
      return "log";
    },
  });
  await shard.resync("page 7 is damaged");
  expect(reasons).toEqual(["page 7 is damaged"]);
  expect(shard.status()).toMatchObject({ resyncing: false, problems: [] });
});

async function outcome(write: Promise<unknown>): Promise<string> {
  return write.then(
    () => "written",
    (error) => String(error),
  );
}
