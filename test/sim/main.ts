/**
 * bun run sim [--seeds N] [--from N]   N seeds (2,000) over all cores
 * bun run sim --seed N [--trace]       one seed; with --trace every event as a line
 * bun run sim --mutants [--only NAMES] plants each bug of mutants.ts and shows which seed catches it;
 *                                      gives each --seconds N (600)
 */

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { runMutants } from "./run-mutants.ts";
import { runSeeds, type TimedReport } from "./run-seeds.ts";
import { type Report, simulate } from "./simulation.ts";

const FAILURES_SHOWN_MAX = 5;
const PROGRESS_MS = 5_000;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "2000" },
    seed: { type: "string" },
    from: { type: "string", default: "1" },
    trace: { type: "boolean", default: false },
    mutants: { type: "boolean", default: false },
    only: { type: "string" },
    seconds: { type: "string", default: "600" },
    processes: { type: "string", default: String(availableParallelism()) },
  },
});

if (values.mutants) {
  const isAllCaught = await runMutants({
    only: values.only ?? null,
    timeLimitMs: countOf(values.seconds, "seconds") * 1_000,
    processCount: countOf(values.processes, "processes"),
  });
  process.exit(isAllCaught ? 0 : 1);
}
if (values.seed !== undefined) {
  process.exit((await runOne(countOf(values.seed, "seed"), values.trace)) ? 0 : 1);
}
process.exit((await runMany()) ? 0 : 1);

async function runOne(seed: number, isTraced: boolean): Promise<boolean> {
  const startedMs = performance.now();
  const before = process.cpuUsage();
  const report = await simulate(seed, isTraced ? (line) => console.log(line) : null);
  const { user, system } = process.cpuUsage(before);
  showSummary([{ ...report, cpuMs: (user + system) / 1_000 }], performance.now() - startedMs);
  console.log(`trace ${report.traceDigest} (${report.traceCount} lines)`);
  if (report.violation === null) return true;
  showFailure(report);
  return false;
}

async function runMany(): Promise<boolean> {
  const startedMs = performance.now();
  const reports: TimedReport[] = [];
  const failures: TimedReport[] = [];
  let shownMs = startedMs;
  const outcome = await runSeeds(
    {
      from: countOf(values.from, "from"),
      count: countOf(values.seeds, "seeds"),
      step: 1,
      processCount: countOf(values.processes, "processes"),
      stopsAtFailure: false,
      root: `${import.meta.dir}/../..`,
      timeLimitMs: 0,
    },
    (report) => {
      reports.push(report);
      if (report.violation !== null) {
        failures.push(report);
        if (failures.length <= FAILURES_SHOWN_MAX) showFailure(report);
      }
      if (performance.now() - shownMs < PROGRESS_MS) return;
      shownMs = performance.now();
      showSummary(reports, shownMs - startedMs);
    },
  );
  showSummary(reports, performance.now() - startedMs);
  if (outcome.brokenBy !== null) console.error(`a worker ended early: ${outcome.brokenBy}`);
  if (failures.length > 0) {
    console.log(`failed seeds: ${failures.map(({ seed }) => seed).join(" ")}`);
  }
  return failures.length === 0 && outcome.brokenBy === null;
}

function showSummary(reports: readonly TimedReport[], realMs: number): void {
  const sum = (of: (report: TimedReport) => number) =>
    reports.reduce((total, report) => total + of(report), 0);
  const failed = reports.filter(({ violation }) => violation !== null).length;
  const cpuMs = sum((report) => report.cpuMs);
  console.log(
    [
      `${reports.length} seeds, ${failed} failed`,
      `${((reports.length * 1_000) / realMs).toFixed(1)} seeds/s`,
      `${Math.round(cpuMs / reports.length)} ms of CPU a seed`,
      `${Math.round(sum((report) => report.virtualMs) / cpuMs)} times real time a core`,
      `${sum((report) => report.okCount)} operations answered`,
      `${sum((report) => report.unknownCount)} unknown`,
      `${sum((report) => report.refusedCount)} refused`,
      `${sum((report) => report.appliedCount)} entries`,
      `${sum((report) => report.undecidedCount)} histories undecided`,
    ].join(", "),
  );
}

function showFailure(report: Report): void {
  console.log(`\nseed ${report.seed} failed: ${report.violation}`);
  console.log(report.lastLines.map((line) => `  ${line}`).join("\n"));
  console.log(`replay: bun run sim --seed ${report.seed} --trace\n`);
}

function countOf(text: string, name: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count >= 0) return count;
  console.error(`--${name}: found ${JSON.stringify(text)}, needed a whole number from 0`);
  process.exit(2);
}
