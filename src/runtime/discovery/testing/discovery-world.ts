/** For tests: nodes with discovery under one virtual clock, a gossip mesh, links and seeds that can be taken away. */

import { drainMicrotasks } from "bun:jsc";
import {
  asGroupId,
  asLogIndex,
  asTerm,
  MyceliumError,
  type NodeId,
  SeededRandom,
  type Term,
} from "../../../base/index.ts";
import type { NodeKey } from "../../../domain/identity/index.ts";
import { NOW_MS, SporeWorld } from "../../../domain/spore/testing/spore-world.ts";
import type {
  Clock,
  Gossip,
  GossipHandler,
  Logger,
  Metrics,
  PeerAddress,
  SeedStorage,
  Timer,
} from "../../../ports/index.ts";
import { Discovery, type DiscoveryOptions, type PrimaryState, type SporeCache } from "../index.ts";

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const uncounted: Metrics = { count() {}, gauge() {}, observeSeconds() {} };

export class VirtualClock implements Clock {
  nowMs = 0;
  #events: { atMs: number; order: number; run: () => void }[] = [];
  #order = 0;

  wallMs(): number {
    return NOW_MS + Math.floor(this.nowMs);
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  after(delayMs: number, run: () => void): Timer {
    const event = { atMs: this.nowMs + delayMs, order: this.#order++, run };
    this.#events.push(event);
    return {
      cancel: () => {
        this.#events = this.#events.filter((each) => each !== event);
      },
    };
  }

  advance(durationMs: number): void {
    const untilMs = this.nowMs + durationMs;
    for (;;) {
      drainMicrotasks();
      this.#events.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
      const next = this.#events[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#events.shift();
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.run();
    }
    this.nowMs = untilMs;
  }
}

export class FakeSeed implements SeedStorage {
  readonly name = "seed";
  readonly writable: boolean = true;
  content: Uint8Array | null = null;
  writeCount = 0;
  isReachable = true;

  async read(): Promise<Uint8Array | null> {
    if (!this.isReachable) throw new MyceliumError("UNREACHABLE", "Cannot read the seed: away");
    return this.content;
  }

  async write(content: Uint8Array): Promise<void> {
    this.content = content;
    this.writeCount++;
  }
}

export class FakeCache implements SporeCache {
  content: Uint8Array | null = null;

  async read(): Promise<Uint8Array | null> {
    return this.content;
  }

  async write(content: Uint8Array): Promise<void> {
    this.content = content;
  }
}

export class TestNode implements Gossip {
  readonly world: DiscoveryWorld;
  readonly key: NodeKey;
  readonly cache = new FakeCache();
  discovery: Discovery;
  addresses: readonly string[];
  role: "validator" | "miner" = "validator";
  /** Who is on this node's member list, with addresses. */
  readonly known = new Set<NodeId>();
  readonly revoked = new Set<NodeId>();
  readonly linked = new Set<NodeId>();
  primary: PrimaryState | null = null;
  followsNobody = false;
  told: readonly PeerAddress[] = [];
  gossipOn = false;
  handler: GossipHandler | null = null;
  gossipPeers: readonly { readonly node: NodeId; readonly multiaddrs: readonly string[] }[] = [];

  constructor(world: DiscoveryWorld, key: NodeKey, ordinal: number) {
    this.world = world;
    this.key = key;
    this.addresses = [`10.0.0.${ordinal}:9090`];
    this.discovery = this.make();
  }

  make(changes: Partial<DiscoveryOptions> = {}): Discovery {
    const { world, key } = this;
    this.discovery = new Discovery({
      network: world.spores.network,
      key,
      grant: world.spores.grant(key),
      describe: () => ({
        class: "sclerotium",
        role: this.role,
        addresses: this.addresses,
        apiAddresses: [],
        multiaddrs: this.addresses.map((address) => `/ip4/${address.split(":")[0]}/tcp/9091`),
        capabilities: world.spores.record(key).capabilities,
        softwareVersion: "0.1.0",
        protocolVersion: "1.0.0",
        minProtocolVersion: "1.0.0",
        features: [],
      }),
      members: {
        known: () => [...this.known].map((node) => ({ node, addresses: [], multiaddrs: [] })),
        isRevoked: (node) => this.revoked.has(node),
        mayVote: () => true,
      },
      links: {
        linked: () => [...this.linked],
        request: (to, method, payload) => world.request(this, to, method, payload),
      },
      group: asGroupId("system"),
      primary: () => this.primary,
      followsNobody: () => this.followsNobody,
      gossip: this,
      seeds: world.seeds,
      cache: this.cache,
      clock: world.clock,
      random: new SeededRandom(world.spores.keys.indexOf(key)),
      logger: quiet,
      metrics: uncounted,
      peerCountMax: 50,
      recordCountMax: 100,
      onFatal: (error) => {
        world.fatal = error;
      },
      ...changes,
    });
    this.discovery.onPeers((peers) => {
      this.told = peers;
    });
    return this.discovery;
  }

  async start(handler: GossipHandler): Promise<{ port: number }> {
    this.handler = handler;
    this.gossipOn = true;
    return { port: 9091 };
  }

  setPeers(
    peers: readonly { readonly node: NodeId; readonly multiaddrs: readonly string[] }[],
  ): void {
    this.gossipPeers = peers;
  }

  async publish(topic: string, payload: Uint8Array): Promise<void> {
    for (const other of this.world.nodes) {
      if (other === this || !other.gossipOn || !this.world.gossipWorks) continue;
      const deliver = () => {
        if (other.handler?.message(topic, this.key.nodeId, payload) === false) {
          this.world.rejectedCount++;
        }
      };
      this.world.clock.after(10, deliver);
    }
  }

  peerCount(): number {
    return this.world.gossipWorks ? this.world.nodes.filter((node) => node.gossipOn).length - 1 : 0;
  }

  async close(): Promise<void> {
    this.gossipOn = false;
  }
}

export class DiscoveryWorld {
  readonly clock = new VirtualClock();
  readonly spores: SporeWorld;
  readonly seeds: readonly FakeSeed[];
  readonly nodes: readonly TestNode[];
  gossipWorks = true;
  rejectedCount = 0;
  fatal: unknown = null;

  constructor(nodeCount: number, seeds: readonly FakeSeed[] = []) {
    this.seeds = seeds;
    this.spores = new SporeWorld(nodeCount);
    this.nodes = this.spores.keys.map((key, i) => new TestNode(this, key, i + 1));
  }

  node(ordinal: number): TestNode {
    const node = this.nodes[ordinal];
    if (node === undefined) throw new Error(`no node ${ordinal}`);
    return node;
  }

  startAll(): void {
    for (const node of this.nodes) void node.discovery.start();
    drainMicrotasks();
  }

  /** The first node leads, and all replicas know it. */
  elect(term: Term = asTerm(3)): void {
    const statement = this.spores.statement();
    for (const [i, node] of this.nodes.entries()) {
      node.primary = {
        term,
        leader: statement.leader,
        leads: i === 0,
        commitIndex: asLogIndex(50),
        lastIndex: asLogIndex(60),
        configuration: statement.configuration,
      };
    }
  }

  /** Links two nodes, and tells both. */
  link(a: TestNode, b: TestNode): void {
    a.linked.add(b.key.nodeId);
    b.linked.add(a.key.nodeId);
    a.discovery.linkUp(b.key.nodeId);
    b.discovery.linkUp(a.key.nodeId);
  }

  request(from: TestNode, to: NodeId, method: string, payload: Uint8Array): Promise<Uint8Array> {
    const target = this.nodes.find((node) => node.key.nodeId === to);
    if (target === undefined || !from.linked.has(to)) {
      return Promise.reject(new MyceliumError("UNREACHABLE", "Cannot ask: no link"));
    }
    return target.discovery.handle(from.key.nodeId, method, payload);
  }
}
