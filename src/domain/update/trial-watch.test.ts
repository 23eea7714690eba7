import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type HealthSample, type TrialLimits, TrialWatch, trialMemoryMax } from "./trial-watch.ts";

const MIB = 1_048_576;
const LIMITS: TrialLimits = {
  confirmAfterMs: 60_000,
  lookEveryMs: 10_000,
  unhealthyForMs: 60_000,
  deadlineMs: 300_000,
  memoryMaxBytes: 300 * MIB,
};

/** The first verdict that is not to wait, looking every 10 s, and when it fell. */
function judge(
  sampleAt: (second: number) => Partial<HealthSample>,
  before: readonly string[] = [],
): string {
  const watch = new TrialWatch(LIMITS, { version: "0.1.0", faults: before, memoryBytes: 0 }, 0);
  for (let second = 0; second <= 400; second += 10) {
    const verdict = watch.look({
      nowMs: second * 1_000,
      memoryBytes: 100 * MIB,
      faults: [],
      critical: [],
      ...sampleAt(second),
    });
    if (verdict.kind === "confirm") return `confirm at ${second}`;
    if (verdict.kind === "revert") return `revert at ${second}: ${verdict.reason}`;
  }
  return "none";
}

describe("TrialWatch", () => {
  test("confirms what is healthy for a minute", () => {
    expect(judge(() => ({}))).toBe("confirm at 60");
  });

  test("a start that takes a while is excused, and the minute counts from there", () => {
    expect(judge((s) => ({ faults: s < 30 ? ["no leader"] : [] }))).toBe("confirm at 90");
  });

  test("takes back at once what is critical or grows without bound", () => {
    expect(judge((s) => ({ critical: s === 50 ? ["the log is gone"] : [] }))).toBe(
      "revert at 50: the log is gone",
    );
    expect(judge((s) => ({ memoryBytes: (100 + s * 5) * MIB }))).toBe(
      "revert at 50: it uses 350 MiB of memory, at most 300 MiB",
    );
  });

  test("takes back what is unhealthy from the start, or within 60 s of its first sign", () => {
    expect(judge(() => ({ faults: ["no leader"] }))).toBe(
      "revert at 60: unhealthy for 60 s: no leader",
    );
    expect(judge((s) => ({ faults: s > 20 ? ["no leader"] : [] }))).toBe(
      "revert at 80: unhealthy for 60 s: no leader",
    );
  });

  test("takes back what is now well, now ill, when time is up", () => {
    expect(judge((s) => ({ faults: s % 20 === 0 ? ["no leader"] : [] }))).toBe(
      "revert at 300: not confirmed within 300 s: no leader",
    );
  });

  test("what was wrong before does not count, whatever its figures", () => {
    const before = ["main is 900 entries behind here"];
    expect(judge(() => ({ faults: ["main is 12000 entries behind here"] }), before)).toBe(
      "confirm at 60",
    );
    expect(judge(() => ({ critical: ["main is 7 entries behind here"] }), before)).toBe(
      "confirm at 60",
    );
    expect(judge(() => ({ faults: ["system has no leader"] }), before)).toStartWith("revert at 60");
  });

  test("every trial ends, and none is confirmed but after a minute without a new fault", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 41, maxLength: 41 }), (isIll) => {
        const verdict = judge((s) => ({ faults: isIll[s / 10] ? ["ill"] : [] }));
        expect(verdict).not.toBe("none");
        const end = Number(/ at (\d+)/.exec(verdict)![1]) / 10;
        const lastSeven = isIll.slice(Math.max(0, end - 6), end + 1);
        if (verdict.startsWith("confirm")) expect(lastSeven).toEqual(Array(7).fill(false));
        else expect(end === 30 || lastSeven.slice(-6).every(Boolean)).toBe(true);
      }),
    );
  });
});

test("memory may triple, and 300 MiB are always allowed", () => {
  const before = { version: "0.1.0", faults: [], memoryBytes: 200 * MIB };
  expect(trialMemoryMax(before)).toBe(600 * MIB);
  expect(trialMemoryMax({ ...before, memoryBytes: 50 * MIB })).toBe(300 * MIB);
  expect(trialMemoryMax(null)).toBe(300 * MIB);
});
