import { expect, test } from "bun:test";
import { availableParallelism } from "node:os";
import { runSeeds } from "./run-seeds.ts";
import { FOUND_BUGS } from "./seeds.ts";
import { simulate } from "./simulation.ts";

const ROOT = `${import.meta.dir}/../..`;
/** Of a range of its own, so that a run of `bun run sim` adds to it. */
const SEEDS = { from: 1_000_001, count: 120 };

test("one seed gives the same trace to the byte", async () => {
  const run = async () => {
    const lines: string[] = [];
    const { traceDigest, stepCount } = await simulate(1, (line) => void lines.push(line));
    return { traceDigest, stepCount, text: lines.join("\n") };
  };
  const first = await run();
  expect(first.text.length).toBeGreaterThan(10_000);
  expect(await run()).toEqual(first);
}, 60_000);

test("seeds differ", async () => {
  const [a, b] = [await simulate(2), await simulate(3)];
  expect(a.traceDigest).not.toBe(b.traceDigest);
}, 60_000);

for (const { seed, bug } of FOUND_BUGS) {
  test(`seed ${seed} stays mended: ${bug}`, async () => {
    expect((await simulate(seed)).violation).toBe(null);
  }, 60_000);
}

test(`${SEEDS.count} networks keep every promise through their storms`, async () => {
  const failures: string[] = [];
  let answeredCount = 0;
  const outcome = await runSeeds(
    {
      ...SEEDS,
      step: 1,
      processCount: availableParallelism(),
      stopsAtFailure: true,
      root: ROOT,
      timeLimitMs: 0,
    },
    ({ seed, violation, okCount, lastLines }) => {
      answeredCount += okCount;
      if (violation === null) return;
      failures.push(`seed ${seed}: ${violation}\n${lastLines.join("\n")}`);
    },
  );
  expect(failures).toEqual([]);
  expect(outcome.brokenBy).toBe(null);
  expect(answeredCount).toBeGreaterThan(SEEDS.count * 50);
}, 300_000);
