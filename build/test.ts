/**
 * Runs every test and prints the runner's own counts alone on the last line.
 *
 *   bun build/test.ts [PATH...]
 *
 * Ends with 0 only when tests ran and none failed. The counts come from the runner's JUnit report; a test file that
 * could not even be loaded is only in its summary, and counts as a failure.
 */

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import { junitCounts, summaryFailures, type TestCounts } from "./test-counts.ts";

const ROOT = resolve(import.meta.dir, "..");
const REPORT = `${ROOT}/.cache/test-report.xml`;
/** For one test: generous, because two cores may be busy with the other half of the tests. */
const TEST_TIMEOUT_MS = 120_000;
/** How much of the runner's last words is kept: its summary. */
const TAIL_LENGTH = 4_096;

async function main(): Promise<number> {
  const paths = process.argv.slice(2);
  if (paths.length === 0 && !build()) return end({ passed: 0, failed: 1, skipped: 0 });
  mkdirSync(`${ROOT}/.cache`, { recursive: true });
  rmSync(REPORT, { force: true });
  const { status, tail } = await runTests(paths);
  const counts = existsSync(REPORT)
    ? junitCounts(readFileSync(REPORT, "utf8"))
    : { passed: 0, failed: 0, skipped: 0 };
  const failed = Math.max(counts.failed, summaryFailures(tail), status === 0 ? 0 : 1);
  return end({ ...counts, failed });
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

/** The runner's output goes on as it comes; its end is kept. */
async function runTests(paths: readonly string[]): Promise<{ status: number; tail: string }> {
  const child = Bun.spawn(
    [
      process.execPath,
      "test",
      "--parallel=2",
      `--timeout=${TEST_TIMEOUT_MS}`,
      "--reporter=junit",
      `--reporter-outfile=${REPORT}`,
      ...paths,
    ],
    { cwd: ROOT, stdin: "ignore", stdout: "inherit", stderr: "pipe" },
  );
  const decoder = new TextDecoder();
  let tail = "";
  for await (const chunk of child.stderr) {
    // At once, so that the counts stay the last line where both streams are one.
    writeSync(2, chunk);
    tail = (tail + decoder.decode(chunk, { stream: true })).slice(-TAIL_LENGTH);
  }
  return { status: await child.exited, tail };
}

function end({ passed, failed, skipped }: TestCounts): number {
  if (skipped > 0) console.log(`${skipped} skipped, their reasons are above`);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

process.exit(await main());
