/** Gossip in memory: what is published reaches every other started node once, later, or is lost. */

import type { NodeId, Random } from "../../base/index.ts";
import type { Gossip, GossipHandler } from "../../ports/index.ts";
import type { MemoryHost } from "./host.ts";
import type { MemoryNetwork } from "./network.ts";

/** A message hops over several peers. */
const HOP_DELAY_MAX_MS = 200;

interface Member {
  readonly host: MemoryHost;
  /** Of the host's process that listens. */
  readonly life: number;
  readonly handler: GossipHandler;
  readonly topics: ReadonlySet<string>;
}

/** All nodes that gossip with each other. */
export class MemoryGossipMesh {
  lossRate = 0;
  readonly members = new Map<NodeId, Member>();
  readonly network: MemoryNetwork;
  readonly #random: Random;

  constructor(network: MemoryNetwork) {
    this.network = network;
    this.#random = network.scheduler.random.fork();
  }

  publish(from: NodeId, topic: string, payload: Uint8Array): void {
    for (const [node, member] of this.members) {
      if (node === from || !member.topics.has(topic)) continue;
      const isLost = this.#random.float() < this.lossRate || this.network.isBlocked(from, node);
      if (isLost) continue;
      const copy = payload.slice();
      if (member.life !== member.host.life) continue;
      member.host.enter(this.#random.float() * HOP_DELAY_MAX_MS, () => {
        member.handler.message(topic, from, copy);
      });
    }
  }
}

export class MemoryGossip implements Gossip {
  readonly #mesh: MemoryGossipMesh;
  readonly #node: NodeId;
  readonly #host: MemoryHost;

  constructor(mesh: MemoryGossipMesh, node: NodeId, host: MemoryHost) {
    this.#mesh = mesh;
    this.#node = node;
    this.#host = host;
  }

  async start(handler: GossipHandler, topics: readonly string[]): Promise<{ port: number }> {
    const { life } = this.#host;
    const member = { host: this.#host, life, handler, topics: new Set(topics) };
    this.#mesh.members.set(this.#node, member);
    return { port: 2 };
  }

  setPeers(): void {}

  async publish(topic: string, payload: Uint8Array): Promise<void> {
    this.#mesh.publish(this.#node, topic, payload);
  }

  peerCount(): number {
    return Math.max(0, this.#mesh.members.size - 1);
  }

  async close(): Promise<void> {
    this.#mesh.members.delete(this.#node);
  }
}
