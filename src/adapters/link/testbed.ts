/** What the tests of this folder are made on: real transports on loopback. Used by tests only. */

import { randomBytes } from "node:crypto";
import { SeededRandom } from "../../base/index.ts";
import { type NodeKey, nodeKeyFromSeed } from "../../domain/identity/index.ts";
import {
  type Hello,
  MIN_PROTOCOL_VERSION,
  OWN_FEATURES,
  PROTOCOL_VERSION,
} from "../../domain/wire/index.ts";
import type { Clock, Logger, Metrics } from "../../ports/index.ts";
import type { LinkLimits, LinkOptions } from "./link-options.ts";
import { LinkTransport } from "./link-transport.ts";

const UNTIL_LIMIT_MS = 20_000;

export const realClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  with: () => silentLogger,
};

/** Counters by name and labels. */
export class CountingMetrics implements Metrics {
  readonly counts = new Map<string, number>();
  count(name: string, by = 1, labels: Readonly<Record<string, string>> = {}): void {
    const key = [name, ...Object.values(labels)].join(" ");
    this.counts.set(key, (this.counts.get(key) ?? 0) + by);
  }
  gauge(): void {}
  observeSeconds(): void {}
}

export interface TestNodeOptions {
  readonly key?: NodeKey;
  readonly isolationKey?: Uint8Array;
  readonly instance?: string;
  readonly hello?: Partial<Hello>;
  readonly limits?: Partial<LinkLimits>;
  readonly clock?: Clock;
  readonly metrics?: Metrics;
  readonly port?: number;
}

export const TEST_ISOLATION_KEY = new Uint8Array(32).fill(9);

export function makeTestNode(options: TestNodeOptions = {}): {
  readonly key: NodeKey;
  readonly transport: LinkTransport;
} {
  const key = options.key ?? nodeKeyFromSeed(new Uint8Array(randomBytes(32)));
  const instance = options.instance ?? randomBytes(8).toString("hex");
  const linkOptions: LinkOptions = {
    key,
    host: "127.0.0.1",
    port: options.port ?? 0,
    isolationKeys: () => [options.isolationKey ?? TEST_ISOLATION_KEY],
    hello: () => ({
      instance,
      protocolVersion: PROTOCOL_VERSION,
      minProtocolVersion: MIN_PROTOCOL_VERSION,
      features: OWN_FEATURES,
      grant: new Uint8Array(100),
      addresses: [],
      release: "",
      ...options.hello,
    }),
    clock: options.clock ?? realClock,
    random: new SeededRandom(1),
    logger: silentLogger,
    metrics: options.metrics ?? new CountingMetrics(),
    limits: { retryInitialMs: 100, ...options.limits },
  };
  return { key, transport: new LinkTransport(linkOptions) };
}

/** Waits, looking at each turn, until the condition holds; throws after 20 s. */
export async function until(condition: () => boolean, what = "the condition"): Promise<void> {
  const deadlineMs = performance.now() + UNTIL_LIMIT_MS;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`${what} did not come true in time`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
