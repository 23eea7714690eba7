/**
 * An established link: messages, requests both ways, heartbeats, and the watch on a peer that takes too little.
 * The handler hears of what arrives in the order it was sent, per priority.
 */

import { EMPTY_BYTES, MyceliumError, type NodeId, utf8 } from "../../base/index.ts";
import {
  Correlator,
  decodeError,
  encodeError,
  FRAME_KIND,
  FRAME_NAME_LENGTH_MAX,
  type Frame,
} from "../../domain/wire/index.ts";
import type { Logger, Metrics, PeerHello, Priority, TransportHandler } from "../../ports/index.ts";
import type { Connection, ConnectionListener } from "./connection.ts";
import { Heartbeat } from "./heartbeat.ts";
import { BULK_SIZE_BYTES_MIN, type LinkLimits } from "./link-options.ts";

export interface LinkContext {
  readonly limits: LinkLimits;
  readonly handler: TransportHandler;
  readonly logger: Logger;
  readonly metrics: Metrics;
  nowMs(): number;
  /** Once, when the link is gone. */
  down(link: Link, reason: string, error: MyceliumError | null): void;
}

interface Waiting {
  readonly startedMs: number;
  resolve(payload: Uint8Array): void;
  reject(error: MyceliumError): void;
}

const GOODBYE_LENGTH_MAX = 512;
/** Failures and pongs that wait unsent: a peer that lets more pile up does not read. */
const URGENT_COUNT_MAX = 16_384;

export class Link implements ConnectionListener {
  readonly connection: Connection;
  readonly hello: PeerHello;
  readonly upSinceMs: number;
  readonly #context: LinkContext;
  readonly #heartbeat: Heartbeat;
  readonly #requests: Correlator<Waiting>;
  #servedCount = 0;
  #servedBytes = 0;
  #backlog: { sinceMs: number; sentBytes: number } | null = null;

  constructor(connection: Connection, hello: PeerHello, context: LinkContext) {
    this.connection = connection;
    this.hello = hello;
    this.#context = context;
    this.upSinceMs = context.nowMs();
    const { limits } = context;
    this.#heartbeat = new Heartbeat(limits.pingIntervalMs, limits.pingTimeoutMs, this.upSinceMs);
    this.#requests = new Correlator(limits.requestCountMax);
    connection.listener = this;
    connection.setBodySizeMax(limits.bodySizeMax);
  }

  get node(): NodeId {
    return this.hello.node;
  }

  get roundTripMs(): number | null {
    return this.#heartbeat.roundTripMs;
  }

  send(channel: string, payload: Uint8Array, priority: Priority): boolean {
    this.#checkSize(channel, payload);
    return this.connection.send(
      { kind: FRAME_KIND.message, id: 0, name: channel, body: payload },
      priority,
    );
  }

  request(method: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#checkSize(method, payload);
      const startedMs = this.#context.nowMs();
      const id = this.#requests.add({ startedMs, resolve, reject }, startedMs + timeoutMs);
      const frame = { kind: FRAME_KIND.request, id: id ?? 0, name: method, body: payload };
      if (id !== null && this.connection.send(frame, priorityOf(payload))) return;
      if (id !== null) this.#requests.take(id);
      reject(this.connection.ended ? this.#unreachable(false) : this.#overloaded(method));
    });
  }

  /** Deadlines and heartbeats; `stoodMs` is how long this process stood still before. */
  tick(nowMs: number, stoodMs: number): void {
    for (const waiting of this.#requests.expire(nowMs)) {
      waiting.reject(
        new MyceliumError(
          "TIMEOUT",
          `Cannot finish a request: ${this.node} did not answer in time`,
        ),
      );
    }
    if (stoodMs > 0) this.#heartbeat.excuse(stoodMs);
    const step = this.#heartbeat.step(nowMs, this.connection.aliveMs);
    if (step === "lost") {
      const reason = `nothing heard for ${this.#context.limits.pingTimeoutMs} ms after a ping`;
      this.connection.terminate(reason, new MyceliumError("UNREACHABLE", `Link lost: ${reason}`));
      return;
    }
    if (step === "ping") this.ping();
    this.#watchBacklog(nowMs);
  }

  ping(): void {
    const id = this.#heartbeat.pinged(this.#context.nowMs());
    this.connection.sendUrgent({ kind: FRAME_KIND.ping, id, name: "", body: EMPTY_BYTES });
  }

  /** Closes the link and tells the peer why. */
  close(reason: string, error: MyceliumError | null): void {
    const body = utf8(reason.slice(0, GOODBYE_LENGTH_MAX));
    this.connection.end(reason, error, { kind: FRAME_KIND.goodbye, id: 0, name: "", body });
  }

  secured(): void {}

  frame(frame: Frame): void {
    switch (frame.kind) {
      case FRAME_KIND.message:
        this.#context.handler.message(this.node, frame.name, frame.body);
        return;
      case FRAME_KIND.request:
        this.#serve(frame);
        return;
      case FRAME_KIND.reply:
        this.#answered(frame.id)?.resolve(frame.body);
        return;
      case FRAME_KIND.failure:
        this.#answered(frame.id)?.reject(decodeError(frame.body));
        return;
      case FRAME_KIND.ping:
        this.#urgent({ kind: FRAME_KIND.pong, id: frame.id, name: "", body: EMPTY_BYTES });
        return;
      case FRAME_KIND.pong:
        this.#heartbeat.ponged(frame.id, this.#context.nowMs());
        return;
      case FRAME_KIND.goodbye:
        this.connection.end(`the peer closed the link: ${printable(frame.body)}`, null);
        return;
      default:
      // Of a newer version.
    }
  }

  closed(reason: string, error: MyceliumError | null): void {
    for (const waiting of this.#requests.takeAll()) waiting.reject(this.#unreachable(true));
    this.#context.down(this, reason, error);
  }

  #answered(id: number): Waiting | undefined {
    const waiting = this.#requests.take(id);
    if (waiting === undefined) return undefined;
    const seconds = (this.#context.nowMs() - waiting.startedMs) / 1_000;
    this.#context.metrics.observeSeconds("mycelium_peer_request_seconds", seconds);
    return waiting;
  }

  #serve({ id, name, body }: Frame): void {
    const { servedCountMax, servedBytesMax } = this.#context.limits;
    const tooMuch = this.#servedBytes + body.length > servedBytesMax && this.#servedCount > 0;
    if (this.#servedCount >= servedCountMax || tooMuch) {
      this.#fail(id, this.#overloaded(name));
      return;
    }
    this.#servedCount++;
    this.#servedBytes += body.length;
    this.#context.handler
      .request(this.node, name, body)
      .then(
        (payload) => this.#reply(id, name, payload),
        (error: unknown) => {
          // A bug stays unhandled here, so that it ends the process; the peer sees the link drop.
          if (!(error instanceof MyceliumError)) throw error;
          this.#fail(id, error);
        },
      )
      .finally(() => {
        this.#servedCount--;
        this.#servedBytes -= body.length;
      });
  }

  #reply(id: number, method: string, payload: Uint8Array): void {
    if (payload.length > this.#context.limits.bodySizeMax) {
      this.#fail(id, this.#tooLarge(`the reply to ${method}`, payload.length));
      return;
    }
    const frame = { kind: FRAME_KIND.reply, id, name: "", body: payload };
    if (this.connection.send(frame, priorityOf(payload)) || this.connection.ended) return;
    // Not OVERLOADED: that says that nothing was done.
    const message = `Cannot send the reply to ${method}: too much waits for ${this.node}`;
    this.#fail(id, new MyceliumError("UNREACHABLE", message));
  }

  #fail(id: number, error: MyceliumError): void {
    this.#urgent({ kind: FRAME_KIND.failure, id, name: "", body: encodeError(error) });
  }

  #urgent(frame: Frame): void {
    if (this.connection.urgentCount < URGENT_COUNT_MAX) this.connection.sendUrgent(frame);
    else this.#dropSlow("it does not read its answers");
  }

  /** A peer that trickles keeps its heartbeat; it must also take a backlog at some least rate. */
  #watchBacklog(nowMs: number): void {
    const { connection } = this;
    if (!connection.blocked) {
      this.#backlog = null;
      return;
    }
    this.#backlog ??= { sinceMs: nowMs, sentBytes: connection.sentBytes };
    const { slowPeerTimeoutMs, slowPeerBytesMin } = this.#context.limits;
    if (nowMs - this.#backlog.sinceMs < slowPeerTimeoutMs) return;
    const taken = connection.sentBytes - this.#backlog.sentBytes;
    if (taken < slowPeerBytesMin) {
      this.#dropSlow(`it took ${taken} bytes of a backlog in ${slowPeerTimeoutMs} ms`);
    } else this.#backlog = { sinceMs: nowMs, sentBytes: connection.sentBytes };
  }

  #dropSlow(why: string): void {
    const reason = `the peer is too slow: ${why}`;
    this.connection.terminate(reason, new MyceliumError("OVERLOADED", `Link dropped: ${reason}`));
  }

  #checkSize(name: string, payload: Uint8Array): void {
    if (name.length > FRAME_NAME_LENGTH_MAX || name.length === 0) {
      throw new MyceliumError(
        "BAD_ARGUMENT",
        `Cannot send: "${name}" is no channel or method name`,
      );
    }
    if (payload.length > this.#context.limits.bodySizeMax) {
      throw this.#tooLarge(name, payload.length);
    }
  }

  #tooLarge(what: string, sizeBytes: number): MyceliumError {
    const max = this.#context.limits.bodySizeMax;
    return new MyceliumError(
      "TOO_LARGE",
      `Cannot send ${what}: it has ${sizeBytes} bytes, a link takes at most ${max}; send it in parts`,
    );
  }

  #overloaded(method: string): MyceliumError {
    return new MyceliumError(
      "OVERLOADED",
      `Cannot send ${method}: too much is under way with ${this.node}; try again shortly`,
    );
  }

  #unreachable(sent: boolean): MyceliumError {
    return new MyceliumError(
      "UNREACHABLE",
      `Cannot finish a request: the link with ${this.node} closed`,
      { details: { sent } },
    );
  }
}

function priorityOf(payload: Uint8Array): Priority {
  return payload.length >= BULK_SIZE_BYTES_MIN ? 2 : 1;
}

/** A peer's text, cut and without control characters. */
function printable(text: Uint8Array): string {
  return Buffer.from(text.subarray(0, GOODBYE_LENGTH_MAX))
    .toString("latin1")
    .replace(/[^ -~]/g, "?");
}
