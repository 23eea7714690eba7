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
    const before = process.cpuUsage();
    const report = await simulate(order.from + i * order.stride);
    const { user, system } = process.cpuUsage(before);
    const cpuMs = (user + system) / 1_000;
    console.log(JSON.stringify({ ...report, cpuMs }));
    if (report.violation !== null && order.stopsAtFailure) break;
  }
}
