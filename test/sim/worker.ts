/** A child of `main.ts`: runs every `stride`-th seed from `from` and writes one JSON line a report. */

import { simulate } from "./simulation.ts";

export interface WorkerOrder {
  readonly from: number;
  readonly count: number;
  readonly stride: number;
  readonly stopsAtFailure: boolean;
}

if (import.meta.main) {
  const order = JSON.parse(process.argv[2] ?? "") as WorkerOrder;
  for (let i = 0; i < order.count; i++) {
    const startedMs = performance.now();
    const report = await simulate(order.from + i * order.stride);
    const realMs = performance.now() - startedMs;
    console.log(JSON.stringify({ ...report, realMs }));
    if (report.violation !== null && order.stopsAtFailure) break;
  }
}
