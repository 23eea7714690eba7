export { LineLogger, type LineLoggerOptions } from "./line-logger.ts";
export { PrometheusMetrics } from "./prometheus-metrics.ts";
export { SystemClock } from "./system-clock.ts";
export { openSystemdNotifier, type SystemdNotifier } from "./systemd-notify.ts";
export { collectGarbage, dropFilePages } from "./trim-memory.ts";
