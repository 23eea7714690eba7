import { expect, test } from "bun:test";
import { keptClockMs, RESULT_AGE_STEP_MS } from "./kept-clock.ts";

test("the kept clock follows pinned time, takes a minute of a leap, and goes on behind it", () => {
  const first = keptClockMs(null, 0, 1_000_000);
  expect(first).toBe(1_000_000);
  const second = keptClockMs(first, 1_000_000, 1_000_250);
  expect(second - first).toBe(250);
  const leapt = keptClockMs(second, 1_000_250, 90_000_000);
  expect(leapt - second).toBe(RESULT_AGE_STEP_MS);
  expect(keptClockMs(leapt, 90_000_000, 90_000_010) - leapt).toBe(10);
});
