/** Closed-loop load: each client sends its next request when the last was answered. */

import { type Answer, HttpConnection, type Target } from "../cluster/http-connection.ts";

export interface Load {
  readonly target: Target;
  readonly clientCount: number;
  readonly durationMs: number;
  /** The `n`-th request of a client. */
  readonly request: (client: number, n: number) => Buffer;
  /** Throws what is wrong with an answer. */
  readonly check: (answer: Answer) => void;
}

export interface LoadResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly count: number;
}

export async function runLoad(load: Load): Promise<LoadResult> {
  const latenciesMs: number[] = [];
  const startedMs = performance.now();
  const endMs = startedMs + load.durationMs;
  const clients = Array.from({ length: load.clientCount }, async (_, client) => {
    const connection = await HttpConnection.open(load.target);
    for (let n = 0; performance.now() < endMs; n++) {
      const sentMs = performance.now();
      load.check(await connection.send(load.request(client, n)));
      latenciesMs.push(performance.now() - sentMs);
    }
    connection.close();
  });
  await Promise.all(clients);
  const elapsedMs = performance.now() - startedMs;
  latenciesMs.sort((a, b) => a - b);
  return {
    perSecond: Math.round((latenciesMs.length * 1_000) / elapsedMs),
    p50Ms: round(quantile(latenciesMs, 0.5)),
    p99Ms: round(quantile(latenciesMs, 0.99)),
    count: latenciesMs.length,
  };
}

export function median(values: readonly number[]): number {
  return quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  );
}

function quantile(sorted: readonly number[], fraction: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN;
}

export function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
