/**
 * Gossip over libp2p. It keeps a few links to peers it was told of or found on the LAN, and passes on what its handler
 * accepts. Messages are signed by their author, so `from` is who published, not who passed on.
 */

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { asNodeId, assert, MyceliumError, messageOf, type NodeId } from "../../base/index.ts";
import type { Gossip, GossipHandler, Timer } from "../../ports/index.ts";
import {
  GOSSIP_DIALLED_COUNT,
  GOSSIP_KNOWN_COUNT_MAX,
  GOSSIP_MESSAGE_SIZE_BYTES_MAX,
  GOSSIP_UPKEEP_INTERVAL_MS,
  type GossipOptions,
} from "./gossip-options.ts";
import type { GossipNode } from "./libp2p-stack.ts";

/** How gossipsub is told; its enum's values, kept out of this file's imports, which must stay light. */
const ACCEPT = "accept";
const REJECT = "reject";

interface KnownPeer {
  readonly multiaddrs: readonly string[];
  /** From `setPeers`, else found. */
  readonly told: boolean;
}

export class Libp2pGossip implements Gossip {
  readonly #options: GossipOptions;
  readonly #known = new Map<NodeId, KnownPeer>();
  readonly #dialling = new Set<NodeId>();
  #stack: typeof import("./libp2p-stack.ts") | null = null;
  #node: GossipNode | null = null;
  #handler: GossipHandler | null = null;
  #timer: Timer | null = null;
  #closed = false;

  constructor(options: GossipOptions) {
    this.#options = options;
  }

  async start(
    handler: GossipHandler,
    topics: readonly string[],
  ): Promise<{ readonly port: number }> {
    assert(this.#handler === null, "gossip starts once");
    this.#handler = handler;
    this.#stack = await import("./libp2p-stack.ts");
    const host = await this.#hostAddress();
    const node = await this.#stack.createGossipNode({ ...this.#options, host }, topics);
    this.#listenTo(node, handler, topics);
    try {
      await node.start();
    } catch (error) {
      await node.stop();
      throw this.#cannotListen(error);
    }
    this.#node = node;
    for (const topic of topics) node.services.pubsub.subscribe(topic);
    this.#planUpkeep(0);
    return { port: portOf(node) };
  }

  setPeers(
    peers: readonly { readonly node: NodeId; readonly multiaddrs: readonly string[] }[],
  ): void {
    for (const [id, { told }] of this.#known) if (told) this.#known.delete(id);
    for (const { node, multiaddrs } of peers) this.#learn(node, { multiaddrs, told: true });
    if (this.#node !== null) this.#upkeep(this.#node);
  }

  async publish(topic: string, payload: Uint8Array): Promise<void> {
    if (payload.length > GOSSIP_MESSAGE_SIZE_BYTES_MAX) {
      throw new MyceliumError(
        "TOO_LARGE",
        `Cannot publish ${payload.length} bytes: gossip takes at most ${GOSSIP_MESSAGE_SIZE_BYTES_MAX}`,
      );
    }
    if (this.#node === null || this.#closed) {
      throw new MyceliumError("CLOSED", "Cannot publish: gossip is not running");
    }
    try {
      await this.#node.services.pubsub.publish(topic, payload);
      this.#count("mycelium_peer_messages_total", "sent");
    } catch (error) {
      this.#count("mycelium_peer_errors_total", "publish");
      throw new MyceliumError("UNREACHABLE", `Cannot publish: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  peerCount(): number {
    return this.#node?.getPeers().length ?? 0;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#node?.stop();
  }

  /** libp2p listens on addresses only. */
  async #hostAddress(): Promise<string> {
    const { host } = this.#options;
    if (isIP(host) !== 0) return host;
    try {
      return (await lookup(host)).address;
    } catch (error) {
      throw this.#cannotListen(error);
    }
  }

  #listenTo(node: GossipNode, handler: GossipHandler, topics: readonly string[]): void {
    for (const topic of topics) {
      node.services.pubsub.topicValidators.set(topic, (_via, message) => {
        if (message.type !== "signed" || this.#closed) return REJECT as never;
        this.#count("mycelium_peer_messages_total", "received");
        const author = asNodeId(message.from.toString());
        if (handler.message(topic, author, message.data)) return ACCEPT as never;
        this.#count("mycelium_peer_errors_total", "rejected");
        return REJECT as never;
      });
    }
    node.addEventListener("peer:discovery", ({ detail }) => {
      this.#found(detail.id.toString(), detail.multiaddrs.map(String), handler);
    });
    node.addEventListener("peer:identify", ({ detail }) => {
      this.#found(detail.peerId.toString(), detail.listenAddrs.map(String), handler);
    });
    node.addEventListener("peer:connect", () => this.#gauge(node));
    node.addEventListener("peer:disconnect", () => this.#gauge(node));
  }

  #found(id: string, addresses: readonly string[], handler: GossipHandler): void {
    const node = asNodeId(id);
    if (this.#closed || node === this.#options.key.nodeId || addresses.length === 0) return;
    const multiaddrs = addresses.map((address) =>
      address.includes("/p2p/") ? address : `${address}/p2p/${id}`,
    );
    if (!this.#known.has(node)) this.#learn(node, { multiaddrs, told: false });
    handler.peerFound(node, multiaddrs);
  }

  /** Those we were told of displace those found, the oldest first. */
  #learn(node: NodeId, peer: KnownPeer): void {
    if (node === this.#options.key.nodeId) return;
    this.#known.delete(node);
    if (this.#known.size >= GOSSIP_KNOWN_COUNT_MAX) {
      const found = [...this.#known].find(([, { told }]) => !told)?.[0];
      if (found === undefined) return;
      this.#known.delete(found);
    }
    this.#known.set(node, peer);
  }

  #planUpkeep(delayMs: number): void {
    this.#timer = this.#options.clock.after(delayMs, () => {
      if (this.#node === null || this.#closed) return;
      this.#upkeep(this.#node);
      this.#planUpkeep(GOSSIP_UPKEEP_INTERVAL_MS);
    });
  }

  #upkeep(node: GossipNode): void {
    const linked = new Set<NodeId>();
    for (const peer of node.getPeers()) {
      const id = asNodeId(peer.toString());
      if (this.#options.allows(id)) linked.add(id);
      else
        void node.hangUp(peer).catch((error: unknown) => this.#note("cannot hang up", id, error));
    }
    const missing = GOSSIP_DIALLED_COUNT - linked.size - this.#dialling.size;
    const candidates = [...this.#known.keys()].filter(
      (id) => !linked.has(id) && !this.#dialling.has(id) && this.#options.allows(id),
    );
    for (let i = 0; i < missing && candidates.length > 0; i++) {
      const [id] = candidates.splice(this.#options.random.below(candidates.length), 1);
      if (id !== undefined) void this.#dial(node, id);
    }
  }

  async #dial(node: GossipNode, id: NodeId): Promise<void> {
    const multiaddr = this.#stack?.multiaddr;
    const addresses = this.#known.get(id)?.multiaddrs ?? [];
    assert(multiaddr !== undefined, "the stack is loaded before a dial");
    this.#dialling.add(id);
    try {
      await node.dial(addresses.map((address) => multiaddr(address)));
    } catch (error) {
      this.#count("mycelium_peer_retries_total", "dial");
      this.#note("cannot dial for gossip", id, error);
    } finally {
      this.#dialling.delete(id);
    }
  }

  #note(message: string, node: NodeId, error: unknown): void {
    this.#options.logger.debug(message, { node, reason: messageOf(error) });
  }

  #count(name: string, kind: string): void {
    this.#options.metrics.count(name, 1, { protocol: "gossip", kind });
  }

  #gauge(node: GossipNode): void {
    const labels = { protocol: "gossip" };
    this.#options.metrics.gauge("mycelium_peer_links", node.getPeers().length, labels);
  }

  #cannotListen(error: unknown): MyceliumError {
    const { host, port } = this.#options;
    const taken = /EADDRINUSE|in use/.test(messageOf(error));
    return new MyceliumError(
      taken ? "PORT_TAKEN" : "BAD_CONFIG",
      `Cannot listen for gossip on ${host}:${port}: ` +
        (taken
          ? "the port is in use; stop what uses it or set another with --gossip-port"
          : `${messageOf(error)}; correct HOST or P2P_PORT`),
      { cause: error, details: { host, port } },
    );
  }
}

function portOf(node: GossipNode): number {
  const [address] = node.getMultiaddrs();
  const port = Number(/\/tcp\/(\d+)/.exec(String(address))?.[1]);
  assert(Number.isInteger(port), "a started gossip node listens on TCP");
  return port;
}
