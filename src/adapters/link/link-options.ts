/** What a link transport is made from, and its limits. */

import type { Random } from "../../base/index.ts";
import type { NodeKey } from "../../domain/identity/index.ts";
import type { Hello } from "../../domain/wire/index.ts";
import type { Clock, Logger, Metrics } from "../../ports/index.ts";

export interface LinkOptions {
  readonly key: NodeKey;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** 32 bytes each, the current one first: links are opened with it and accepted under any. Asked per handshake. */
  readonly isolationKeys: () => readonly Uint8Array[];
  /** What this node says of itself. Asked per handshake. */
  readonly hello: () => Omit<Hello, "wallMs">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly limits?: Partial<LinkLimits>;
}

export interface LinkLimits {
  /** TCP connections, both ways, handshakes included (CONNECTION_LIMIT). */
  readonly connectionCountMax: number;
  /** Accepted connections whose handshake is not done. */
  readonly halfOpenCountMax: number;
  /** From TCP connect to welcome. */
  readonly handshakeTimeoutMs: number;
  /** TCP connect to a peer's only address; with several, each gets `dialTimeoutManyMs` (CONNECTION_TIMEOUT). */
  readonly dialTimeoutMs: number;
  readonly dialTimeoutManyMs: number;
  readonly retryFirstMs: number;
  readonly retryInitialMs: number;
  readonly retryMaxMs: number;
  readonly retryMultiplier: number;
  /** A link is pinged this often, and lost when nothing at all came for `pingTimeoutMs` after a ping. */
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
  /** A peer that takes less than `slowPeerBytesMin` of a backlog in this time is dropped. */
  readonly slowPeerTimeoutMs: number;
  readonly slowPeerBytesMin: number;
  /** Largest payload of a message, request or reply. */
  readonly bodySizeMax: number;
  /** Bytes that wait per link in each of the three priorities. */
  readonly queueSizeBytesMax: number;
  readonly queueCountMax: number;
  /** Our requests that wait for a reply, per link. */
  readonly requestCountMax: number;
  /** The peer's requests being answered, per link. */
  readonly servedCountMax: number;
  readonly servedBytesMax: number;
  /** Minutes a proof may be off either way. */
  readonly proofWindowMinutes: number;
}

export const LINK_LIMITS: LinkLimits = {
  connectionCountMax: 100,
  halfOpenCountMax: 32,
  handshakeTimeoutMs: 5_000,
  dialTimeoutMs: 30_000,
  dialTimeoutManyMs: 3_000,
  retryFirstMs: 100,
  retryInitialMs: 1_000,
  retryMaxMs: 60_000,
  retryMultiplier: 2,
  pingIntervalMs: 500,
  pingTimeoutMs: 1_000,
  slowPeerTimeoutMs: 10_000,
  slowPeerBytesMin: 16_384,
  bodySizeMax: 25_165_824,
  queueSizeBytesMax: 33_554_432,
  queueCountMax: 65_536,
  requestCountMax: 4_096,
  servedCountMax: 4_096,
  servedBytesMax: 67_108_864,
  proofWindowMinutes: 1,
};

/** The clock's step for deadlines and heartbeats: four wake-ups a second cost 0.1 % of a core. */
export const TICK_MS = 250;
/** A tick that comes later than this means that this process stood still: nobody is blamed for it. */
export const TICK_LATE_MS = 500;
/** A connection told to end that has not, is torn down after this. */
export const CLOSING_TIMEOUT_MS = 1_000;
/** Requests and replies above this size go at the lowest priority: they must not delay heartbeats and Raft. */
export const BULK_SIZE_BYTES_MIN = 262_144;
/** A link that held this long was good: redialling starts over quickly. */
export const STABLE_LINK_MS = 5_000;
