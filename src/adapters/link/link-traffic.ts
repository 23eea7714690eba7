/** Counters of all connections, handed to the metrics port in steps rather than per message. */

import type { Metrics } from "../../ports/index.ts";
import type { Connection } from "./connection.ts";

interface Counts {
  sentBytes: number;
  sentFrames: number;
  receivedBytes: number;
  receivedFrames: number;
}

const SENT = { protocol: "link", direction: "sent" } as const;
const RECEIVED = { protocol: "link", direction: "received" } as const;

export class LinkTraffic {
  readonly #metrics: Metrics;
  readonly #reported = new Map<Connection, Counts>();

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  opened(connection: Connection): void {
    this.#reported.set(connection, {
      sentBytes: 0,
      sentFrames: 0,
      receivedBytes: 0,
      receivedFrames: 0,
    });
  }

  closed(connection: Connection): void {
    this.#report(connection);
    this.#reported.delete(connection);
  }

  /** Call every second or so. */
  report(linkCount: number): void {
    for (const connection of this.#reported.keys()) this.#report(connection);
    this.#metrics.gauge("mycelium_peer_connections", this.#reported.size, { protocol: "link" });
    this.#metrics.gauge("mycelium_peer_links", linkCount, { protocol: "link" });
  }

  /** `kind` is one of a fixed set of words. */
  error(kind: string): void {
    this.#metrics.count("mycelium_peer_errors_total", 1, { protocol: "link", kind });
  }

  retry(): void {
    this.#metrics.count("mycelium_peer_retries_total", 1, { protocol: "link" });
  }

  #report(connection: Connection): void {
    const last = this.#reported.get(connection);
    if (last === undefined) return;
    const { sentBytes, sentFrames, receivedBytes, receivedFrames } = connection;
    this.#add("mycelium_peer_bytes_total", sentBytes - last.sentBytes, SENT);
    this.#add("mycelium_peer_bytes_total", receivedBytes - last.receivedBytes, RECEIVED);
    this.#add("mycelium_peer_messages_total", sentFrames - last.sentFrames, SENT);
    this.#add("mycelium_peer_messages_total", receivedFrames - last.receivedFrames, RECEIVED);
    this.#reported.set(connection, { sentBytes, sentFrames, receivedBytes, receivedFrames });
  }

  #add(name: string, by: number, labels: typeof SENT | typeof RECEIVED): void {
    if (by > 0) this.#metrics.count(name, by, labels);
  }
}
