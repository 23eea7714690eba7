/**
 * One TLS socket as a stream of frames: reading bounded, writing by priority, small frames of one turn joined into
 * one write. It knows nothing of peers or protocols; its listener changes from handshake to link.
 */

import { MyceliumError, messageOf, type NodeId } from "../../base/index.ts";
import { type Frame, FrameDecoder, HELLO_SIZE_BYTES_MAX } from "../../domain/wire/index.ts";
import type { Priority } from "../../ports/index.ts";
import { nodeIdOfCertificate } from "./certificate.ts";
import { FrameWriter } from "./frame-writer.ts";
import type { LinkLimits } from "./link-options.ts";
import { SendQueue } from "./send-queue.ts";

export type LinkSocket = Bun.Socket<{ connection: Connection | null }>;

export interface ConnectionListener {
  /** TLS is up and the peer's key is known. */
  secured(): void;
  /** Throws a MyceliumError to end the connection. */
  frame(frame: Frame): void;
  /** Once, at the end; `error` says why when this side ended it or the stream broke. */
  closed(reason: string, error: MyceliumError | null): void;
}

/** Size of the secret exported from the TLS session to bind proofs to it. */
const BINDING_SIZE_BYTES = 32;
export const BINDING_LABEL = "EXPORTER-mycelium-link";

export class Connection {
  readonly inbound: boolean;
  /** The remote "host:port". */
  readonly address: string;
  /** Monotonic milliseconds of the last byte received or, after a stall, taken by the socket. */
  aliveMs: number;
  listener: ConnectionListener | null = null;
  /** Called when the socket itself is closed, which may be after the listener heard of the end. */
  gone: (() => void) | null = null;

  readonly #socket: LinkSocket;
  readonly #nowMs: () => number;
  readonly #decoder = new FrameDecoder(HELLO_SIZE_BYTES_MAX);
  readonly #queue: SendQueue;
  readonly #writer: FrameWriter;
  #receivedBytes = 0;
  #receivedFrames = 0;
  #flushPlanned = false;
  #flushedThisTurn = false;
  #ended = false;
  #closingSinceMs: number | null = null;
  #peer: NodeId | null = null;

  constructor(
    socket: LinkSocket,
    inbound: boolean,
    address: string,
    limits: LinkLimits,
    nowMs: () => number,
  ) {
    this.#socket = socket;
    this.inbound = inbound;
    this.address = address;
    this.#nowMs = nowMs;
    this.aliveMs = nowMs();
    this.#queue = new SendQueue({
      countMax: limits.queueCountMax,
      sizeBytesMax: limits.queueSizeBytesMax,
    });
    this.#writer = new FrameWriter(this.#queue, socket);
  }

  /** The node whose key the peer proved in TLS; null before `secured`. */
  get peer(): NodeId | null {
    return this.#peer;
  }

  /** True from the moment nothing more is delivered from it. */
  get ended(): boolean {
    return this.#ended;
  }

  get closingSinceMs(): number | null {
    return this.#closingSinceMs;
  }

  get blocked(): boolean {
    return this.#writer.blocked;
  }

  get sentBytes(): number {
    return this.#writer.sentBytes;
  }

  get sentFrames(): number {
    return this.#writer.sentFrames;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  get receivedFrames(): number {
    return this.#receivedFrames;
  }

  get urgentCount(): number {
    return this.#queue.urgentCount;
  }

  /** Secret of this TLS session, the same on both sides. */
  binding(): Uint8Array {
    const socket = this.#socket;
    return socket.exportKeyingMaterial(BINDING_SIZE_BYTES, BINDING_LABEL, Buffer.alloc(0));
  }

  /** For a peer that proved itself. */
  setBodySizeMax(bodySizeMax: number): void {
    this.#decoder.setBodySizeMax(bodySizeMax);
  }

  send(frame: Frame, priority: Priority): boolean {
    if (this.#ended || !this.#queue.push(frame, priority)) return false;
    this.#planFlush();
    return true;
  }

  sendUrgent(frame: Frame): void {
    if (this.#ended) return;
    this.#queue.pushUrgent(frame);
    this.#planFlush();
  }

  /** Sends `last` if the socket takes it at once, then closes. Nothing more is delivered. */
  end(reason: string, error: MyceliumError | null, last?: Frame): void {
    if (this.#ended) return;
    this.#queue.clear();
    if (last !== undefined) {
      this.#queue.pushUrgent(last);
      this.#writer.flush();
    }
    this.#closingSinceMs = this.#nowMs();
    // Before the socket, whose own close event can come at once and knows no reason.
    this.#finish(reason, error);
    this.#socket.end();
  }

  /** Closes without a word. */
  terminate(reason: string, error: MyceliumError | null): void {
    this.#finish(reason, error);
    this.#socket.terminate();
  }

  /** After `end`: the peer did not close its side. */
  tearDown(): void {
    this.#socket.terminate();
  }

  // What the socket reports, called by `connectionHandlers` only.

  onSecured(): void {
    if (this.#ended) return;
    const certificate = this.#socket.getPeerX509Certificate?.();
    const peer = certificate === undefined ? null : nodeIdOfCertificate(certificate);
    if (peer === null || this.#socket.getTLSVersion() !== "TLSv1.3") {
      this.terminate("no TLS 1.3 with a certificate of an Ed25519 key", null);
      return;
    }
    this.#peer = peer;
    this.listener?.secured();
  }

  onData(chunk: Uint8Array): void {
    if (this.#ended || this.#peer === null) return;
    this.#receivedBytes += chunk.length;
    this.aliveMs = this.#nowMs();
    try {
      this.#decoder.push(chunk, (frame) => {
        this.#receivedFrames++;
        this.listener?.frame(frame);
        return !this.#ended;
      });
    } catch (error) {
      // A bug passes on; what a peer sent wrongly ends its connection.
      if (!(error instanceof MyceliumError)) throw error;
      this.terminate(`ended for what it sent: ${messageOf(error)}`, error);
    }
  }

  onDrain(): void {
    this.aliveMs = this.#nowMs();
    this.#writer.flush();
  }

  onClose(error: unknown): void {
    const reason = error === undefined || error === null ? "closed by the peer" : messageOf(error);
    this.#finish(reason, null);
    this.gone?.();
  }

  #finish(reason: string, error: MyceliumError | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#queue.clear();
    this.listener?.closed(reason, error);
  }

  /** The first flush of a turn comes as soon as the caller is done, later ones are gathered until its end. */
  #planFlush(): void {
    if (this.#flushPlanned || this.#writer.blocked) return;
    this.#flushPlanned = true;
    if (this.#flushedThisTurn) setImmediate(this.#flush);
    else queueMicrotask(this.#flush);
  }

  readonly #flush = (): void => {
    this.#flushPlanned = false;
    if (this.#ended) return;
    if (!this.#flushedThisTurn) {
      this.#flushedThisTurn = true;
      setImmediate(this.#endTurn);
    }
    this.#writer.flush();
  };

  readonly #endTurn = (): void => {
    this.#flushedThisTurn = false;
  };
}

/**
 * Bun's socket events, passed to the connection in the socket's data. A bug in a listener ends the process. An
 * accepted socket that is reset at once is closed without having been opened: it has no data.
 */
export function connectionHandlers(): Pick<
  Bun.SocketHandler<{ connection: Connection | null }>,
  "binaryType" | "handshake" | "data" | "drain" | "close" | "error"
> {
  return {
    binaryType: "uint8array",
    handshake: (socket) => guard(() => socket.data?.connection?.onSecured()),
    data: (socket, chunk: Uint8Array) => guard(() => socket.data?.connection?.onData(chunk)),
    drain: (socket) => guard(() => socket.data?.connection?.onDrain()),
    close: (socket, error) => guard(() => socket.data?.connection?.onClose(error)),
    // TLS broke: the close that follows tells the connection.
    error: () => {},
  };
}

/** Bun hands what a socket handler throws to the socket's own error handler; a bug must reach the process. */
function guard(action: () => void): void {
  try {
    action();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
