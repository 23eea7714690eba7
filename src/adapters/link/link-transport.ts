/**
 * The Transport over mutual TLS 1.3. Each pair of nodes has one link. Who decides, and the order: the acceptor lets a
 * link in once it has no other one with that node; of two dials that meet, that of the lower id goes on.
 */

import { assert, MyceliumError, type NodeId } from "../../base/index.ts";
import { ProofChecker } from "../../domain/wire/index.ts";
import type {
  Admission,
  LinkStatus,
  PeerAddress,
  PeerHello,
  Priority,
  Timer,
  Transport,
  TransportHandler,
} from "../../ports/index.ts";
import { makeLinkCredentials } from "./certificate.ts";
import type { Connection } from "./connection.ts";
import { Link } from "./link.ts";
import { LinkDialler } from "./link-dialler.ts";
import { LinkHandshake } from "./link-handshake.ts";
import {
  CLOSING_TIMEOUT_MS,
  LINK_LIMITS,
  type LinkLimits,
  type LinkOptions,
  STABLE_LINK_MS,
  TICK_LATE_MS,
  TICK_MS,
} from "./link-options.ts";
import { type LinkListener, listenForLinks, type SocketContext } from "./link-sockets.ts";
import { LinkTraffic } from "./link-traffic.ts";
import { Peer } from "./peer.ts";

const REPORT_INTERVAL_MS = 1_000;

export class LinkTransport implements Transport {
  readonly #options: LinkOptions;
  readonly #limits: LinkLimits;
  readonly #own: NodeId;
  readonly #checker: ProofChecker;
  readonly #traffic: LinkTraffic;
  readonly #dialler: LinkDialler;
  readonly #sockets: SocketContext;
  readonly #connections = new Set<Connection>();
  readonly #handshakes = new Set<LinkHandshake>();
  readonly #links = new Set<Link>();
  readonly #peers = new Map<NodeId, Peer>();
  /** Nodes that were cut: refused until `setPeers` names them. */
  readonly #cut = new Set<NodeId>();
  #handler: TransportHandler | null = null;
  #listener: LinkListener | null = null;
  #timer: Timer | null = null;
  #lastTickMs = 0;
  #lastReportMs = 0;
  #closed = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#limits = { ...LINK_LIMITS, ...options.limits };
    this.#own = options.key.nodeId;
    this.#checker = new ProofChecker(this.#limits.proofWindowMinutes);
    this.#traffic = new LinkTraffic(options.metrics);
    this.#sockets = {
      credentials: makeLinkCredentials(options.key),
      limits: this.#limits,
      nowMs: this.#nowMs,
    };
    this.#dialler = new LinkDialler({
      limits: this.#limits,
      sockets: this.#sockets,
      traffic: this.#traffic,
      logger: options.logger,
      clock: options.clock,
      due: () => this.#dialDue(),
      connectionCount: () => this.#connections.size,
      handshake: (connection, expected) => this.#handshake(connection, expected),
    });
  }

  async start(handler: TransportHandler): Promise<{ readonly port: number }> {
    assert(this.#handler === null, "a transport starts once");
    this.#handler = handler;
    const { host, port } = this.#options;
    this.#listener = listenForLinks(host, port, this.#sockets, (connection) =>
      this.#accept(connection),
    );
    this.#lastTickMs = this.#nowMs();
    this.#planTick();
    this.#dialDue();
    return { port: this.#listener.port };
  }

  setPeers(peers: readonly PeerAddress[]): void {
    const nowMs = this.#nowMs();
    const named = new Set(peers.map(({ node }) => node));
    for (const { node, addresses } of peers) {
      if (node === this.#own) continue;
      const peer = this.#peer(node);
      if (this.#cut.delete(node) || !peer.wanted) peer.retrySoon(nowMs);
      peer.wanted = true;
      peer.setAddresses(addresses, nowMs);
    }
    for (const peer of [...this.#peers.values()]) {
      if (!peer.wanted || named.has(peer.node)) continue;
      peer.wanted = false;
      this.#drop(peer, "no longer a peer", null);
    }
    this.#dialDue();
  }

  send(to: NodeId, channel: string, payload: Uint8Array, priority: Priority): boolean {
    return this.#peers.get(to)?.link?.send(channel, payload, priority) ?? false;
  }

  request(to: NodeId, method: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const peer = this.#peers.get(to);
    const link = peer?.link ?? null;
    if (link !== null) return link.request(method, payload, timeoutMs);
    const why = peer?.lastError?.message ?? "it is not linked";
    return Promise.reject(
      new MyceliumError("UNREACHABLE", `Cannot send ${method} to ${to}: ${why}`, {
        details: { sent: false },
      }),
    );
  }

  cut(node: NodeId, reason: string): void {
    if (node === this.#own) return;
    this.#cut.add(node);
    const peer = this.#peers.get(node);
    if (peer === undefined) return;
    peer.wanted = false;
    this.#drop(peer, reason, new MyceliumError("FORBIDDEN", `Link cut: ${reason}`));
  }

  links(): readonly LinkStatus[] {
    return [...this.#peers.values()].map((peer) => peer.status());
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener?.stop();
    this.#timer?.cancel();
    for (const peer of [...this.#peers.values()]) this.#drop(peer, "shutting down", null);
    for (const { connection } of [...this.#handshakes]) connection.terminate("shutting down", null);
    const { clock } = this.#options;
    const deadlineMs = clock.monotonicMs() + CLOSING_TIMEOUT_MS;
    while (this.#connections.size > 0 && clock.monotonicMs() < deadlineMs) {
      await new Promise<void>((resolve) => clock.after(5, resolve));
    }
    for (const connection of this.#connections) connection.tearDown();
    this.#connections.clear();
  }

  readonly #nowMs = (): number => this.#options.clock.monotonicMs();

  #peer(node: NodeId): Peer {
    let peer = this.#peers.get(node);
    if (peer === undefined) {
      peer = new Peer(node, this.#limits, this.#options.random.fork());
      this.#peers.set(node, peer);
    }
    return peer;
  }

  /** Ends what there is with a peer, and forgets it when it is not wanted. */
  #drop(peer: Peer, reason: string, error: MyceliumError | null): void {
    this.#dialler.cancel(peer);
    peer.link?.close(reason, error);
    this.#forgetIdle(peer);
  }

  #forgetIdle(peer: Peer): void {
    if (!peer.wanted && peer.link === null && peer.dial === null) this.#peers.delete(peer.node);
  }

  // Connections

  #accept(connection: Connection): boolean {
    if (this.#closed || this.#connections.size >= this.#limits.connectionCountMax) {
      this.#traffic.error("connection_limit");
      return false;
    }
    this.#evictHalfOpen();
    this.#handshake(connection, null);
    return true;
  }

  /** When too many handshakes are open, the oldest gives way: strangers cannot keep members out by waiting. */
  #evictHalfOpen(): void {
    const inbound = [...this.#handshakes].filter(({ expected }) => expected === null);
    if (inbound.length < this.#limits.halfOpenCountMax) return;
    this.#traffic.error("half_open_limit");
    inbound[0]?.connection.terminate("too many handshakes", null);
  }

  #handshake(connection: Connection, expected: NodeId | null): LinkHandshake {
    this.#connections.add(connection);
    this.#traffic.opened(connection);
    connection.gone = () => {
      this.#connections.delete(connection);
      this.#traffic.closed(connection);
    };
    const handshake = new LinkHandshake(connection, expected, this.#nowMs(), {
      own: this.#own,
      checker: this.#checker,
      isolationKeys: this.#options.isolationKeys,
      hello: this.#options.hello,
      wallMs: () => this.#options.clock.wallMs(),
      admit: (hello) => this.#admit(hello),
      arrived: (self, hello) => this.#arrived(self, hello),
      established: (self, hello) => this.#established(self, hello),
      failed: (self, error) => this.#failed(self, error),
    });
    this.#handshakes.add(handshake);
    return handshake;
  }

  #admit(hello: PeerHello): Admission {
    if (this.#cut.has(hello.node)) {
      return { ok: false, code: "FORBIDDEN", message: "Cannot link: this node was cut off" };
    }
    return this.#handlerOf().admit(hello);
  }

  /** The acceptor decides: is this the one link with that node? */
  #arrived(handshake: LinkHandshake, hello: PeerHello): void {
    if (hello.node === this.#own) {
      handshake.refuse(this.#copied(hello));
      return;
    }
    const peer = this.#peer(hello.node);
    const link = peer.link;
    if (link === null) {
      if (peer.dial?.secure === true && this.#own < hello.node) {
        handshake.refuse(duplicateDial());
        return;
      }
      this.#dialler.cancel(peer);
      handshake.welcome();
    } else if (link.hello.instance === hello.instance) {
      link.close("the peer opened a new link", null);
      handshake.welcome();
    } else this.#askTheOther(link, handshake, hello);
  }

  /** Two processes with one id: the linked one stays if it shows life, else it was the dead one's link. */
  #askTheOther(link: Link, handshake: LinkHandshake, hello: PeerHello): void {
    const receivedFrames = link.connection.receivedFrames;
    link.ping();
    this.#options.clock.after(this.#limits.pingTimeoutMs, () => {
      if (handshake.connection.ended) return;
      const peer = this.#peer(hello.node);
      const alive =
        peer.link !== null &&
        (peer.link !== link || link.connection.receivedFrames > receivedFrames);
      if (alive) {
        handshake.refuse(this.#copied(hello));
        return;
      }
      this.#dialler.cancel(peer);
      peer.link?.close("another process took its place", null);
      handshake.welcome();
    });
  }

  #copied(hello: PeerHello): MyceliumError {
    this.#traffic.error("node_id_present");
    this.#options.logger.warn("refused a second process with a node id that is present", {
      node: hello.node,
    });
    return new MyceliumError(
      "STATE_COPIED",
      `Cannot link: node id already present; another process runs as ${hello.node}. If its state ` +
        "directory was copied, stop one of them and let it join anew from an empty directory",
    );
  }

  #established(handshake: LinkHandshake, hello: PeerHello): void {
    this.#handshakes.delete(handshake);
    const peer = this.#peer(hello.node);
    peer.dial = null;
    if (this.#cut.has(hello.node)) {
      // Removed since its hello was judged, which may be a ping's time ago.
      handshake.connection.end("cut off", null);
      this.#forgetIdle(peer);
      return;
    }
    peer.lastError = null;
    const link = new Link(handshake.connection, hello, {
      limits: this.#limits,
      handler: this.#handlerOf(),
      logger: this.#options.logger,
      metrics: this.#options.metrics,
      nowMs: this.#nowMs,
      down: (self, reason, error) => this.#linkDown(self, reason, error),
    });
    peer.link = link;
    this.#links.add(link);
    this.#options.logger.debug("link up", { node: hello.node, inbound: link.connection.inbound });
    this.#handlerOf().linkUp(hello, link.connection.address);
  }

  #failed(handshake: LinkHandshake, error: MyceliumError): void {
    this.#handshakes.delete(handshake);
    this.#traffic.error(handshake.expected === null ? "inbound_handshake" : "outbound_handshake");
    this.#options.logger.debug("handshake failed", {
      address: handshake.connection.address,
      code: error.code,
      reason: error.message,
    });
    if (handshake.expected === null) return;
    const peer = this.#peers.get(handshake.expected);
    if (peer?.dial?.handshake !== handshake) return;
    if (error.details["duplicateDial"] === true) {
      peer.dial = null;
      peer.planRetry(this.#nowMs());
      this.#dialler.plan(peer);
    } else this.#dialler.failed(peer, error);
    this.#forgetIdle(peer);
  }

  #linkDown(link: Link, reason: string, error: MyceliumError | null): void {
    this.#links.delete(link);
    const peer = this.#peers.get(link.node);
    if (peer?.link === link) {
      const nowMs = this.#nowMs();
      peer.link = null;
      peer.lastError = error ?? new MyceliumError("UNREACHABLE", `Link lost: ${reason}`);
      if (nowMs - link.upSinceMs >= STABLE_LINK_MS) peer.retrySoon(nowMs);
      peer.planRetry(nowMs);
      this.#dialler.plan(peer);
      this.#forgetIdle(peer);
    }
    if (error !== null) this.#traffic.error(error.code.toLowerCase());
    this.#options.logger.debug("link down", { node: link.node, code: error?.code ?? null });
    this.#handlerOf().linkDown(link.node, reason);
  }

  #dialDue(): void {
    if (this.#listener === null || this.#closed) return;
    this.#dialler.dialDue(this.#peers.values(), this.#nowMs());
  }

  // Time

  #planTick(): void {
    this.#timer = this.#options.clock.after(TICK_MS, () => {
      if (this.#closed) return;
      this.#tick();
      this.#planTick();
    });
  }

  #tick(): void {
    const nowMs = this.#nowMs();
    const lateMs = nowMs - this.#lastTickMs - TICK_MS;
    this.#lastTickMs = nowMs;
    for (const link of [...this.#links]) link.tick(nowMs, lateMs > TICK_LATE_MS ? lateMs : 0);
    this.#expireHandshakes(nowMs);
    this.#dialler.expire(this.#peers.values(), nowMs);
    for (const connection of this.#connections) {
      const closingMs = connection.closingSinceMs;
      if (closingMs !== null && nowMs - closingMs > CLOSING_TIMEOUT_MS) connection.tearDown();
    }
    this.#dialDue();
    if (nowMs - this.#lastReportMs < REPORT_INTERVAL_MS) return;
    this.#lastReportMs = nowMs;
    this.#traffic.report(this.#links.size);
  }

  #expireHandshakes(nowMs: number): void {
    for (const { connection, startedMs } of [...this.#handshakes]) {
      if (nowMs - startedMs < this.#limits.handshakeTimeoutMs) continue;
      const message = `Cannot link: ${connection.address} did not finish the handshake in time`;
      connection.terminate(message, new MyceliumError("TIMEOUT", message));
    }
  }

  #handlerOf(): TransportHandler {
    assert(this.#handler !== null, "the transport is started");
    return this.#handler;
  }
}

function duplicateDial(): MyceliumError {
  return new MyceliumError("CLOSED", "Cannot link: this node's own dial is ahead of yours", {
    details: { duplicateDial: true },
  });
}
