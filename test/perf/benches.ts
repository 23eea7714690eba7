/** The benches. Each takes one contender, runs once, and returns its figures by name. */

import { HttpConnection } from "../cluster/http-connection.ts";
import { cpuMs, residentBytes, wakeups } from "../cluster/processes.ts";
import { type LoadResult, median, round, runLoad } from "./closed-loop.ts";
import type { Contender } from "./contender.ts";

export interface BenchOptions {
  readonly durationMs: number;
  readonly idleMs: number;
  readonly killCount: number;
}

export type Figures = Readonly<Record<string, number>>;
export type Bench = (contender: Contender, options: BenchOptions) => Promise<Figures>;

const CLIENT_COUNTS = [1, 16, 64, 128] as const;
const ROW_COUNT = 100;
/** Clients and milliseconds: a just-in-time compiler needs seconds of each kind of load. */
const WARM_UP = [
  [16, 4_000],
  [1, 4_000],
] as const;
/** A node gives back what its start needed within half a minute, and has compiled what it repeats within two. */
const SETTLE_MS = 120_000;
const SAMPLE_MS = 1_000;

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

async function load(
  contender: Contender,
  clientCount: number,
  durationMs: number,
  request: (client: number, n: number) => Buffer,
  target = contender.leader(),
): Promise<LoadResult> {
  return runLoad({
    target: await target,
    clientCount,
    durationMs,
    request,
    check: (answer) => contender.check(answer),
  });
}

async function warmUp(
  contender: Contender,
  request: (client: number, n: number) => Buffer,
): Promise<void> {
  for (const [clientCount, durationMs] of WARM_UP) {
    await load(contender, clientCount, durationMs, request);
  }
}

async function byClients(
  contender: Contender,
  options: BenchOptions,
  request: (client: number, n: number) => Buffer,
): Promise<Figures> {
  const figures: Record<string, number> = {};
  // Caches, connections and just-in-time compilers are warm in every system before its first figure.
  await warmUp(contender, request);
  for (const clientCount of CLIENT_COUNTS) {
    const result = await load(contender, clientCount, options.durationMs, request);
    figures[`perSecond${clientCount}`] = result.perSecond;
    figures[`p50Ms${clientCount}`] = result.p50Ms;
    figures[`p99Ms${clientCount}`] = result.p99Ms;
  }
  return figures;
}

let run = 0;

export const BENCHES: Readonly<Record<string, Bench>> = {
  /** RSS (mean and peak), CPU and wake-ups of nodes that do nothing: run first, on a fresh network. */
  async idle(contender, { idleMs }) {
    await Bun.sleep(SETTLE_MS);
    const pids = contender.pids();
    const before = pids.map((pid) => ({ cpuMs: cpuMs(pid), wakeups: wakeups(pid) }));
    const samples: number[][] = [];
    for (const endMs = performance.now() + idleMs; performance.now() < endMs; ) {
      await Bun.sleep(SAMPLE_MS);
      samples.push(pids.map(residentBytes));
    }
    const resident = pids.map((_, i) => samples.map((sample) => sample[i] ?? 0));
    const perSecond = (total: number) => total / (idleMs / 1_000);
    return {
      residentMb: round(median(resident.map(mean)) / 1e6),
      residentPeakMb: round(Math.max(...resident.flat()) / 1e6),
      cpuPercent: round(
        median(pids.map((pid, i) => perSecond(cpuMs(pid) - (before[i]?.cpuMs ?? 0)) / 10)),
      ),
      wakeupsPerSecond: round(
        median(pids.map((pid, i) => perSecond(wakeups(pid) - (before[i]?.wakeups ?? 0)))),
      ),
    };
  },

  async writes(contender, options) {
    const tag = `w${++run}`;
    return byClients(contender, options, (client, n) => contender.write(`${tag}-${client}-${n}`));
  },

  async reads(contender, options) {
    const request = contender.read();
    return request === null ? {} : byClients(contender, options, () => request);
  },

  async localReads(contender, options) {
    const request = contender.localRead();
    if (request === null) return {};
    const result = await load(
      contender,
      64,
      options.durationMs,
      () => request,
      contender.follower(),
    );
    return { perSecond64: result.perSecond, p99Ms64: result.p99Ms };
  },

  async rows(contender, options) {
    const tag = `r${++run}`;
    if (contender.writeRows(tag, ROW_COUNT) === null) return {};
    const request = (client: number, n: number) =>
      contender.writeRows(`${tag}-${client}-${n}`, ROW_COUNT) as Buffer;
    const result = await load(contender, 16, options.durationMs, request);
    return { rowsPerSecond16: result.perSecond * ROW_COUNT, p99Ms16: result.p99Ms };
  },

  /** kill -9 of the leader to the next acknowledged write on a survivor. */
  async failover(contender, { killCount }) {
    const gapsMs: number[] = [];
    for (let kill = 0; kill < killCount; kill++) {
      const survivor = await contender.follower();
      await contender.killLeader();
      const killedMs = performance.now();
      while (!(await acknowledged(contender, survivor, `k${kill}`))) await Bun.sleep(2);
      gapsMs.push(performance.now() - killedMs);
      await contender.restartKilled();
    }
    return { medianMs: round(median(gapsMs)), maxMs: round(Math.max(...gapsMs)) };
  },
};

async function acknowledged(
  contender: Contender,
  target: { host: string; port: number },
  unique: string,
): Promise<boolean> {
  let connection: HttpConnection | null = null;
  try {
    connection = await HttpConnection.open(target);
    const late = Bun.sleep(5_000).then(() => {
      throw new Error("no answer in 5 s");
    });
    contender.check(await Promise.race([connection.send(contender.write(unique)), late]));
    return true;
  } catch {
    // No answer or a refusal: the gap is not over.
    return false;
  } finally {
    connection?.close();
  }
}
