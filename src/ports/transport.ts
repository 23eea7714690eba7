/**
 * Links between members. A link is mutual: both sides proved their key, the isolation key and their membership
 * before the handler hears of it. Messages on one link and channel arrive in order or not at all.
 */

import type { NodeId } from "../base/index.ts";

/** Order of sending when a link is busy: Raft and primary, then seed and bulk control, then the rest. */
export type Priority = 0 | 1 | 2;

export interface PeerAddress {
  readonly node: NodeId;
  /** "host:port", tried in order. */
  readonly addresses: readonly string[];
}

/** What a peer says of itself in the handshake, its key already proved. */
export interface PeerHello {
  readonly node: NodeId;
  /** Random per start of the agent: tells two processes with one key apart. */
  readonly instance: string;
  readonly protocolVersion: string;
  readonly minProtocolVersion: string;
  readonly features: readonly string[];
  /** The peer's membership grant, encoded; the handler verifies it. */
  readonly grant: Uint8Array;
  readonly wallMs: number;
  /** The peer's own listening addresses, newest knowledge. */
  readonly addresses: readonly string[];
}

export type Admission =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: string; readonly message: string };

export interface TransportHandler {
  /** Decides on a peer whose key and isolation proof hold. Its refusal is told to the peer. */
  admit(hello: PeerHello): Admission;
  linkUp(hello: PeerHello, address: string): void;
  linkDown(node: NodeId, reason: string): void;
  message(from: NodeId, channel: string, payload: Uint8Array): void;
  /** Answers a request; a MyceliumError crosses with its code and message. */
  request(from: NodeId, method: string, payload: Uint8Array): Promise<Uint8Array>;
}

export interface LinkStatus {
  readonly node: NodeId;
  readonly state: "connecting" | "up" | "down";
  readonly address: string | null;
  /** Smoothed round trip of link heartbeats; null until measured. */
  readonly roundTripMs: number | null;
  readonly lastError: string | null;
  /** Code of `lastError`: STATE_COPIED when the peer already has another process with our node id. */
  readonly lastErrorCode?: string | null;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

export interface Transport {
  /** Opens the listener. Throws PORT_TAKEN. Resolves with the port in use. */
  start(handler: TransportHandler): Promise<{ readonly port: number }>;

  /**
   * The peers to keep links with: missing ones are dialled and redialled with backoff, those named before and no
   * longer are closed. A link opened by a peer that was never named stays: the handler admitted it.
   */
  setPeers(peers: readonly PeerAddress[]): void;

  /** Queues a message; false when there is no link or its queue is full (the message is dropped). */
  send(to: NodeId, channel: string, payload: Uint8Array, priority: Priority): boolean;

  /** One round trip. Rejects with UNREACHABLE, TIMEOUT, OVERLOADED or the peer's own error. */
  request(to: NodeId, method: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array>;

  /** Closes the link at once, and refuses the peer until `setPeers` names it again. */
  cut(node: NodeId, reason: string): void;

  links(): readonly LinkStatus[];
  close(): Promise<void>;
}
