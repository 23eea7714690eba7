/** The totals of a JUnit report. */

export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Reads the attributes of `<testsuites>`. Throws when there are none. */
export function junitCounts(report: string): TestCounts {
  const head = /<testsuites\b[^>]*>/.exec(report)?.[0];
  if (head === undefined) throw new Error("Cannot count the tests: the report has no <testsuites>");
  const tests = attribute(head, "tests");
  const failed = attribute(head, "failures") + attribute(head, "errors");
  const skipped = attribute(head, "skipped");
  return { passed: tests - failed - skipped, failed, skipped };
}

function attribute(head: string, name: string): number {
  return Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
}
