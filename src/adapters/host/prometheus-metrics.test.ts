import { expect, test } from "bun:test";
import { PrometheusMetrics } from "./prometheus-metrics.ts";

test("render() writes each name's type once, labels quoted, buckets cumulative", () => {
  const metrics = new PrometheusMetrics();
  metrics.count("mycelium_a_total", 2, { shard: "main" });
  metrics.count("mycelium_a_total", 1, { shard: "system" });
  metrics.gauge("mycelium_b_bytes", 7);
  metrics.observeSeconds("mycelium_c_seconds", 0.0002);
  metrics.observeSeconds("mycelium_c_seconds", 20);
  const text = metrics.render();
  expect(text.match(/# TYPE mycelium_a_total counter/g)).toHaveLength(1);
  expect(text).toContain('mycelium_a_total{shard="main"} 2');
  expect(text).toContain("mycelium_b_bytes 7");
  expect(text).toContain('mycelium_c_seconds_bucket{le="0.00025"} 1');
  expect(text).toContain('mycelium_c_seconds_bucket{le="10"} 1');
  expect(text).toContain('mycelium_c_seconds_bucket{le="+Inf"} 2');
  expect(text).toContain("mycelium_c_seconds_count 2");
});

test("series beyond the bound are dropped and counted", () => {
  const metrics = new PrometheusMetrics();
  for (let i = 0; i < 3_000; i++) metrics.gauge("mycelium_x", i, { i: String(i) });
  expect(metrics.render()).toContain("mycelium_metrics_dropped_total 1000");
});
