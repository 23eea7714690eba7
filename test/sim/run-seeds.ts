/** Seeds over several processes, one a core, with their reports as they come. */

import type { Report } from "./simulation.ts";
import type { WorkerOrder } from "./worker.ts";

/** With the processor's time it took, whatever else ran meanwhile. */
export type TimedReport = Report & { readonly cpuMs: number };

export interface SeedRange {
  readonly from: number;
  readonly count: number;
  /** From one seed to the next; 1 takes all. */
  readonly step: number;
  readonly processCount: number;
  readonly stopsAtFailure: boolean;
  /** Where `test/sim` and `src` are: a copy of the project for mutants. */
  readonly root: string;
  /** Workers still running after this are ended; 0 for no limit. */
  readonly timeLimitMs: number;
}

export interface SeedsOutcome {
  /** What a worker wrote to standard error when it ended without being told to. */
  readonly brokenBy: string | null;
  readonly timedOut: boolean;
}

export async function runSeeds(
  range: SeedRange,
  onReport: (report: TimedReport) => void,
): Promise<SeedsOutcome> {
  const stride = Math.max(1, Math.min(range.processCount, range.count));
  const outcomes = await Promise.all(
    Array.from({ length: stride }, (_, i) => {
      const count = Math.ceil((range.count - i) / stride);
      const { stopsAtFailure } = range;
      const from = range.from + i * range.step;
      const order = { from, count, stride: stride * range.step, stopsAtFailure };
      return runWorker(order, range, onReport);
    }),
  );
  return {
    brokenBy: outcomes.find(({ brokenBy }) => brokenBy !== null)?.brokenBy ?? null,
    timedOut: outcomes.some(({ timedOut }) => timedOut),
  };
}

async function runWorker(
  order: WorkerOrder,
  range: SeedRange,
  onReport: (report: TimedReport) => void,
): Promise<SeedsOutcome> {
  const child = Bun.spawn({
    cmd: [process.execPath, "test/sim/worker.ts", JSON.stringify(order)],
    cwd: range.root,
    stdout: "pipe",
    stderr: "pipe",
  });
  let timedOut = false;
  const timer =
    range.timeLimitMs === 0
      ? null
      : setTimeout(() => {
          timedOut = true;
          child.kill("SIGKILL");
        }, range.timeLimitMs);
  const errors = new Response(child.stderr).text();
  for await (const line of linesOf(child.stdout)) onReport(JSON.parse(line) as TimedReport);
  const exitCode = await child.exited;
  if (timer !== null) clearTimeout(timer);
  const isBroken = exitCode !== 0 && !timedOut;
  return { brokenBy: isBroken ? `exit ${exitCode}: ${await errors}` : null, timedOut };
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines.filter((line) => line.length > 0);
  }
  if (rest.length > 0) yield rest;
}
