/** What the transport keeps on one node: whether to link with it, where, when to dial next, and how the last try went. */

import { Backoff, type MyceliumError, type NodeId, type Random } from "../../base/index.ts";
import type { LinkStatus } from "../../ports/index.ts";
import type { Link } from "./link.ts";
import type { LinkHandshake } from "./link-handshake.ts";
import type { LinkLimits } from "./link-options.ts";

/** A dial under way. */
export interface DialAttempt {
  /** Monotonic; for TCP, the handshake has its own. */
  readonly deadlineMs: number;
  handshake: LinkHandshake | null;
  /** Whether the peer answered in TLS. */
  readonly secure: boolean;
  cancel(): void;
}

export class Peer {
  readonly node: NodeId;
  /** Named by the last `setPeers`. */
  wanted = false;
  addresses: readonly string[] = [];
  link: Link | null = null;
  dial: DialAttempt | null = null;
  /** Monotonic; dial not before. */
  nextDialMs = 0;
  lastError: MyceliumError | null = null;
  readonly #limits: LinkLimits;
  readonly #backoff: Backoff;
  #failures = 0;
  #addressIndex = 0;

  constructor(node: NodeId, limits: LinkLimits, random: Random) {
    this.node = node;
    this.#limits = limits;
    this.#backoff = new Backoff(
      {
        initialMs: limits.retryInitialMs,
        maxMs: limits.retryMaxMs,
        multiplier: limits.retryMultiplier,
      },
      random,
    );
  }

  /** New addresses are tried at once. */
  setAddresses(addresses: readonly string[], nowMs: number): void {
    if (addresses.join() === this.addresses.join()) return;
    this.addresses = addresses;
    this.#addressIndex = 0;
    this.retrySoon(nowMs);
  }

  retrySoon(nowMs: number): void {
    this.#failures = 0;
    this.#backoff.reset();
    this.nextDialMs = nowMs;
  }

  /** The address to dial now; null when there is none to dial, or nothing to do yet. */
  dueAddress(nowMs: number): string | null {
    if (!this.wanted || this.link !== null || this.dial !== null) return null;
    if (nowMs < this.nextDialMs) return null;
    return this.addresses[this.#addressIndex % this.addresses.length] ?? null;
  }

  /** Plans the next dial: the other addresses first, then after 100 ms, then with backoff. */
  dialFailed(error: MyceliumError, nowMs: number): void {
    this.dial = null;
    this.lastError = error;
    this.#addressIndex++;
    if (this.#addressIndex % Math.max(1, this.addresses.length) !== 0) {
      this.nextDialMs = nowMs;
      return;
    }
    this.planRetry(nowMs);
  }

  planRetry(nowMs: number): void {
    const first = this.#failures === 0;
    this.#failures++;
    this.nextDialMs = nowMs + (first ? this.#limits.retryFirstMs : this.#backoff.nextDelayMs());
  }

  status(): LinkStatus {
    const { link } = this;
    return {
      node: this.node,
      state: link !== null ? "up" : this.dial !== null ? "connecting" : "down",
      address: link?.connection.address ?? this.addresses[0] ?? null,
      roundTripMs: link?.roundTripMs ?? null,
      lastError: this.lastError?.message ?? null,
      lastErrorCode: this.lastError?.code ?? null,
      sentBytes: link?.connection.sentBytes ?? 0,
      receivedBytes: link?.connection.receivedBytes ?? 0,
    };
  }
}
