/**
 * Runs every test and prints the runner's own counts, read from its JUnit report, alone on the last line.
 *
 *   bun build/test.ts [PATH...]
 *
 * Ends with 0 only when tests ran and none failed. A test file that cannot even be loaded counts as a failure.
 */

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { junitCounts } from "./junit-counts.ts";

const ROOT = resolve(import.meta.dir, "..");
const REPORT = `${ROOT}/.cache/test-report.xml`;
/** For one test: generous, because two cores may be busy with the other half of the tests. */
const TEST_TIMEOUT_MS = 120_000;

function main(): number {
  const paths = process.argv.slice(2);
  if (paths.length === 0 && !build()) return end({ passed: 0, failed: 1, skipped: 0 });
  mkdirSync(`${ROOT}/.cache`, { recursive: true });
  rmSync(REPORT, { force: true });
  const { status } = spawnSync(
    process.execPath,
    [
      "test",
      "--parallel=2",
      `--timeout=${TEST_TIMEOUT_MS}`,
      "--reporter=junit",
      `--reporter-outfile=${REPORT}`,
      ...paths,
    ],
    { cwd: ROOT, stdio: "inherit" },
  );
  const counts = existsSync(REPORT)
    ? junitCounts(readFileSync(REPORT, "utf8"))
    : { passed: 0, failed: 0, skipped: 0 };
  const isUncounted = status !== 0 && counts.failed === 0;
  return end(isUncounted ? { ...counts, failed: 1 } : counts);
}

/** The tests of the executable and of the installation need it. */
function build(): boolean {
  const { status } = spawnSync(process.execPath, ["build/build.ts"], {
    cwd: ROOT,
    stdio: "inherit",
  });
  if (status !== 0) console.error("Cannot test: the executable could not be built");
  return status === 0;
}

function end(counts: { passed: number; failed: number; skipped: number }): number {
  if (counts.skipped > 0) console.log(`${counts.skipped} skipped, their reasons are above`);
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  return counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}

process.exit(main());
