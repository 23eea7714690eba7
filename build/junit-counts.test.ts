import { expect, test } from "bun:test";
import { junitCounts } from "./junit-counts.ts";

test("junitCounts() reads the totals of bun's report", () => {
  const report =
    '<?xml version="1.0"?>\n<testsuites name="bun test" tests="10" failures="2" skipped="1">';
  expect(junitCounts(report)).toEqual({ passed: 7, failed: 2, skipped: 1 });
});

test("junitCounts() refuses what is no report", () => {
  expect(() => junitCounts("<html>")).toThrow("no <testsuites>");
});
