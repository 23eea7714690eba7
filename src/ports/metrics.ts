/** Counters, gauges and histograms under fixed names (`mycelium_*_total`, `_seconds`, `_bytes`), few labels. */

export type Labels = Readonly<Record<string, string>>;

export interface Metrics {
  count(name: string, by?: number, labels?: Labels): void;
  gauge(name: string, value: number, labels?: Labels): void;
  /** Adds to a latency histogram, in seconds. */
  observeSeconds(name: string, seconds: number, labels?: Labels): void;
}
