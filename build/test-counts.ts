/** What a run of `bun test` came to. */

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

/** How many failed by the summary at the end of the runner's output; 0 when it has none. */
export function summaryFailures(output: string): number {
  const summaries = [...output.matchAll(/^ *(\d+) (?:fail|error)s?$/gm)];
  return summaries.reduce((most, [, count]) => Math.max(most, Number(count)), 0);
}
