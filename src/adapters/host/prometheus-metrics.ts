/**
 * Metrics kept in memory and written as Prometheus text (exposition format 0.0.4). Series are bounded: labels come
 * from code, and what would pass the bound is counted in `mycelium_metrics_dropped_total` instead of kept.
 */

import type { Labels, Metrics } from "../../ports/index.ts";

/** Upper bounds of latency buckets, in seconds: 0.1 ms to 10 s. */
const BUCKETS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
];
const SERIES_MAX = 2_000;
const DROPPED = "mycelium_metrics_dropped_total";

interface Histogram {
  readonly counts: Float64Array;
  count: number;
  sum: number;
}

export class PrometheusMetrics implements Metrics {
  readonly #counters = new Map<string, number>();
  readonly #gauges = new Map<string, number>();
  readonly #histograms = new Map<string, Histogram>();

  count(name: string, by = 1, labels?: Labels): void {
    this.#add(this.#counters, seriesOf(name, labels), by);
  }

  gauge(name: string, value: number, labels?: Labels): void {
    const series = seriesOf(name, labels);
    if (this.#gauges.has(series) || this.#hasRoom()) this.#gauges.set(series, value);
  }

  observeSeconds(name: string, seconds: number, labels?: Labels): void {
    const series = seriesOf(name, labels);
    let histogram = this.#histograms.get(series);
    if (histogram === undefined) {
      if (!this.#hasRoom()) return;
      histogram = { counts: new Float64Array(BUCKETS.length), count: 0, sum: 0 };
      this.#histograms.set(series, histogram);
    }
    histogram.count++;
    histogram.sum += seconds;
    const bucket = bucketOf(seconds);
    if (bucket < BUCKETS.length) histogram.counts[bucket] = (histogram.counts[bucket] ?? 0) + 1;
  }

  /** All series, grouped by name with their types. */
  render(): string {
    const lines: string[] = [];
    writeFamily(lines, "counter", this.#counters);
    writeFamily(lines, "gauge", this.#gauges);
    const typed = new Set<string>();
    for (const [series, histogram] of [...this.#histograms].sort()) {
      writeHistogram(lines, series, histogram, typed);
    }
    return `${lines.join("\n")}\n`;
  }

  #add(map: Map<string, number>, series: string, by: number): void {
    const before = map.get(series);
    if (before === undefined && !this.#hasRoom()) return;
    map.set(series, (before ?? 0) + by);
  }

  #hasRoom(): boolean {
    if (this.#counters.size + this.#gauges.size + this.#histograms.size < SERIES_MAX) return true;
    this.#counters.set(DROPPED, (this.#counters.get(DROPPED) ?? 0) + 1);
    return false;
  }
}

/** The first whose bound is not passed; the number of buckets for none. */
function bucketOf(seconds: number): number {
  let bucket = 0;
  while (seconds > (BUCKETS[bucket] ?? Number.POSITIVE_INFINITY)) bucket++;
  return bucket;
}

function seriesOf(name: string, labels?: Labels): string {
  if (labels === undefined) return name;
  const parts = Object.entries(labels).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return `${name}{${parts.join(",")}}`;
}

function nameOf(series: string): string {
  const brace = series.indexOf("{");
  return brace < 0 ? series : series.slice(0, brace);
}

function writeFamily(lines: string[], type: string, map: ReadonlyMap<string, number>): void {
  let last = "";
  for (const [series, value] of [...map].sort()) {
    const name = nameOf(series);
    if (name !== last) lines.push(`# TYPE ${name} ${type}`);
    last = name;
    lines.push(`${series} ${value}`);
  }
}

function writeHistogram(
  lines: string[],
  series: string,
  histogram: Histogram,
  typed: Set<string>,
): void {
  const name = nameOf(series);
  const labels = series.slice(name.length + 1, -1);
  const prefix = labels === "" ? "" : `${labels},`;
  const suffix = labels === "" ? "" : `{${labels}}`;
  if (!typed.has(name)) lines.push(`# TYPE ${name} histogram`);
  typed.add(name);
  let cumulative = 0;
  BUCKETS.forEach((bound, i) => {
    cumulative += histogram.counts[i] ?? 0;
    lines.push(`${name}_bucket{${prefix}le="${bound}"} ${cumulative}`);
  });
  lines.push(`${name}_bucket{${prefix}le="+Inf"} ${histogram.count}`);
  lines.push(`${name}_sum${suffix} ${histogram.sum}`, `${name}_count${suffix} ${histogram.count}`);
}
