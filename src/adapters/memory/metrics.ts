/** Metrics as plain sums, for tests that ask what was counted. */

import type { Labels, Metrics } from "../../ports/index.ts";

export class MemoryMetrics implements Metrics {
  readonly #values = new Map<string, number>();

  count(name: string, by = 1, labels?: Labels): void {
    const key = keyOf(name, labels);
    this.#values.set(key, (this.#values.get(key) ?? 0) + by);
  }

  gauge(name: string, value: number, labels?: Labels): void {
    this.#values.set(keyOf(name, labels), value);
  }

  /** Counts observations under the name, and sums seconds under `name_sum`. */
  observeSeconds(name: string, seconds: number, labels?: Labels): void {
    this.count(name, 1, labels);
    this.count(`${name}_sum`, seconds, labels);
  }

  /** 0 for what was never reported. */
  value(name: string, labels?: Labels): number {
    return this.#values.get(keyOf(name, labels)) ?? 0;
  }
}

function keyOf(name: string, labels: Labels = {}): string {
  const parts = Object.entries(labels).map(([label, value]) => `${label}=${value}`);
  return parts.length === 0 ? name : `${name}{${parts.sort().join()}}`;
}
