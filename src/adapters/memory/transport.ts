/** Transport over `MemoryNetwork`: dials the peers it was given, redials with a random delay, carries requests. */

import {
  type ErrorCode,
  InvariantError,
  MyceliumError,
  type NodeId,
  type Random,
} from "../../base/index.ts";
import type {
  LinkStatus,
  PeerAddress,
  PeerHello,
  Priority,
  Transport,
  TransportHandler,
} from "../../ports/index.ts";
import type { MemoryHost } from "./host.ts";
import type { Endpoint, Link, MemoryNetwork } from "./network.ts";

const REDIAL_MIN_MS = 50;
const REDIAL_MAX_MS = 1_000;
const REQUEST_COUNT_MAX = 1_024;

interface PendingRequest {
  readonly link: Link;
  readonly resolve: (answer: Uint8Array) => void;
  readonly reject: (error: MyceliumError) => void;
}

type Answer =
  | { readonly ok: true; readonly payload: Uint8Array }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string };

export interface MemoryTransportOptions {
  readonly network: MemoryNetwork;
  readonly host: MemoryHost;
  readonly hello: PeerHello;
}

export class MemoryTransport implements Transport {
  readonly #network: MemoryNetwork;
  readonly #host: MemoryHost;
  readonly #hello: PeerHello;
  readonly #random: Random;
  readonly #links = new Map<NodeId, Link>();
  readonly #dialling = new Set<NodeId>();
  readonly #cut = new Set<NodeId>();
  readonly #pending = new Map<number, PendingRequest>();
  readonly #lastError = new Map<NodeId, string>();
  /** Whom to keep links with, and under which addresses. */
  #peers: ReadonlyMap<NodeId, readonly string[]> = new Map();
  #handler: TransportHandler | null = null;
  #requestCount = 0;
  #sentBytes = 0;

  constructor(options: MemoryTransportOptions) {
    this.#network = options.network;
    this.#host = options.host;
    this.#hello = options.hello;
    this.#random = options.network.scheduler.random.fork();
  }

  async start(handler: TransportHandler): Promise<{ readonly port: number }> {
    this.#handler = handler;
    const hello = this.#hello;
    const host = this.#host;
    const endpoint: Endpoint = {
      node: hello.node,
      host,
      get hello() {
        return { ...hello, wallMs: host.wallMs() };
      },
      handler,
      refuses: (peer) => this.#cut.has(peer),
      linked: (link, peer) => this.#linked(link, peer),
      unlinked: (link, reason) => this.#unlinked(link, reason),
    };
    this.#network.attach(endpoint);
    return { port: 1 };
  }

  setPeers(peers: readonly PeerAddress[]): void {
    const others = peers.filter((peer) => peer.node !== this.#hello.node);
    const before = this.#peers;
    this.#peers = new Map(others.map(({ node, addresses }) => [node, addresses]));
    for (const node of this.#peers.keys()) {
      this.#cut.delete(node);
      this.#dial(node, REDIAL_MIN_MS * this.#random.float());
    }
    for (const node of this.#links.keys()) {
      const isDropped = before.has(node) && !this.#peers.has(node);
      if (isDropped) this.#network.dropLink(this.#hello.node, node, false, "closed");
    }
  }

  send(to: NodeId, channel: string, payload: Uint8Array, _priority: Priority): boolean {
    const link = this.#links.get(to);
    if (link === undefined) return false;
    const copy = payload.slice();
    this.#sentBytes += copy.length;
    return this.#transmit(link, to, channel, (handler) =>
      handler.message(this.#hello.node, channel, copy),
    );
  }

  request(to: NodeId, method: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const link = this.#links.get(to);
    if (link === undefined) return Promise.reject(unreachable(to, "there is no link"));
    if (this.#pending.size >= REQUEST_COUNT_MAX) {
      return Promise.reject(new MyceliumError("OVERLOADED", "Cannot ask: too many open requests"));
    }
    const copy = payload.slice();
    const id = ++this.#requestCount;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { link, resolve, reject });
      this.#host.after(timeoutMs, () =>
        this.#fail(id, new MyceliumError("TIMEOUT", `No answer to ${method} in ${timeoutMs} ms`)),
      );
      const isQueued = this.#transmit(link, to, null, (handler, answer) => {
        handler.request(this.#hello.node, method, copy).then(
          (reply) => answer({ ok: true, payload: reply.slice() }, (a) => this.#answered(id, a)),
          (error) => answer(refusalOf(error), (a) => this.#answered(id, a)),
        );
      });
      if (!isQueued) this.#fail(id, unreachable(to, "its queue is full"));
    });
  }

  cut(node: NodeId, reason: string): void {
    this.#cut.add(node);
    if (this.#links.delete(node)) {
      this.#lastError.set(node, reason);
      this.#handler?.linkDown(node, reason);
    }
    this.#network.dropLink(this.#hello.node, node, false, reason);
  }

  links(): readonly LinkStatus[] {
    return [...new Set([...this.#peers.keys(), ...this.#links.keys()])].map((node) => ({
      node,
      state: this.#links.has(node) ? "up" : this.#dialling.has(node) ? "connecting" : "down",
      address: this.#links.has(node) ? `memory:${node}` : null,
      roundTripMs: null,
      lastError: this.#lastError.get(node) ?? null,
      sentBytes: this.#sentBytes,
      receivedBytes: 0,
    }));
  }

  async close(): Promise<void> {
    this.#peers = new Map();
    this.#handler = null;
    this.#network.detach(this.#hello.node, false);
  }

  /** Runs `use` on the other side; `answer` there sends something back over the same link. */
  #transmit(
    link: Link,
    to: NodeId,
    channel: string | null,
    use: (
      handler: TransportHandler,
      answer: (content: Answer, arrived: (content: Answer) => void) => void,
    ) => void,
  ): boolean {
    const peer = link.directions.find((direction) => direction.to.node === to)?.to;
    if (peer === undefined) throw new InvariantError(`link ${link.id} does not lead to ${to}`);
    return this.#network.transmit(link, this.#hello.node, channel, () =>
      use(peer.handler, (content, arrived) => {
        this.#network.transmit(link, to, null, () => arrived(content));
      }),
    );
  }

  #answered(id: number, answer: Answer): void {
    if (answer.ok) this.#pending.get(id)?.resolve(answer.payload);
    else this.#pending.get(id)?.reject(new MyceliumError(answer.code, answer.message));
    this.#pending.delete(id);
  }

  #fail(id: number, error: MyceliumError): void {
    this.#pending.get(id)?.reject(error);
    this.#pending.delete(id);
  }

  #linked(link: Link, peer: PeerHello): void {
    if (this.#links.has(peer.node)) this.#handler?.linkDown(peer.node, "replaced by a new link");
    this.#links.set(peer.node, link);
    this.#lastError.delete(peer.node);
    this.#handler?.linkUp(peer, `memory:${peer.node}`);
  }

  #unlinked(link: Link, reason: string): void {
    const peer = link.directions.find((direction) => direction.to.node !== this.#hello.node);
    if (peer === undefined) return;
    const node = peer.to.node;
    for (const [id, pending] of [...this.#pending]) {
      if (pending.link === link) this.#fail(id, unreachable(node, reason));
    }
    if (this.#links.get(node) === link) {
      this.#links.delete(node);
      this.#lastError.set(node, reason);
      this.#handler?.linkDown(node, reason);
    }
    this.#dial(node, REDIAL_MIN_MS);
  }

  #dial(node: NodeId, delayMs: number): void {
    if (this.#dialling.has(node) || this.#links.has(node)) return;
    if (!this.#peers.has(node) || this.#cut.has(node)) return;
    this.#dialling.add(node);
    this.#host.enter(delayMs + this.#network.delayMs(this.#hello.node, node) * 2, () => {
      this.#dialling.delete(node);
      const addresses = this.#peers.get(node);
      if (addresses === undefined || this.#links.has(node)) return;
      const refusal = this.#network.connect(this.#hello.node, node, addresses);
      if (refusal === null) return;
      this.#lastError.set(node, refusal);
      this.#dial(node, REDIAL_MIN_MS + this.#random.float() * (REDIAL_MAX_MS - REDIAL_MIN_MS));
    });
  }
}

function unreachable(node: NodeId, why: string): MyceliumError {
  return new MyceliumError("UNREACHABLE", `Cannot reach ${node}: ${why}`);
}

function refusalOf(error: unknown): Answer {
  if (error instanceof MyceliumError) {
    return { ok: false, code: error.code, message: error.message };
  }
  throw error;
}
