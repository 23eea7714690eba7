import { expect, test } from "bun:test";
import { junitCounts, summaryFailures } from "./test-counts.ts";

test("junitCounts() reads the totals of bun's report", () => {
  const report =
    '<?xml version="1.0"?>\n<testsuites name="bun test" tests="10" failures="2" skipped="1">';
  expect(junitCounts(report)).toEqual({ passed: 7, failed: 2, skipped: 1 });
});

test("junitCounts() refuses what is no report", () => {
  expect(() => junitCounts("<html>")).toThrow("no <testsuites>");
});

test("summaryFailures() counts a file that could not be loaded", () => {
  expect(summaryFailures("(fail) x\n\n 576 pass\n 3 fail\n 1 error\n 41105 expect() calls\n")).toBe(
    3,
  );
  expect(summaryFailures(" 2 pass\n 0 fail\n")).toBe(0);
  expect(summaryFailures("")).toBe(0);
});
