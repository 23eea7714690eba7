/**
 * Somebody who knows every address and the isolation key, and was never admitted: with another network's grant, with
 * one that claims a place in the genesis document, or with a member's own. It dials, and it gossips. Nobody is to link
 * with it or to keep a record of it.
 */

import { MemoryGossip, MemoryHost, MemoryTransport } from "../../src/adapters/memory/index.ts";
import { MyceliumError, type NodeId } from "../../src/base/index.ts";
import { type NodeKey, nodeKeyFromSeed } from "../../src/domain/identity/index.ts";
import { encodeSignedRecord, signRecord } from "../../src/domain/spore/index.ts";
import { foundersGrant, type GrowingNetwork, networkOf } from "./growing-network.ts";
import { CAPABILITIES } from "./member-node.ts";
import type { World } from "./world.ts";

const ROUND_MS = 3_000;
const ADDRESS = "10.9.9.9:9090";

export class Stranger {
  readonly key: NodeKey = nodeKeyFromSeed(new Uint8Array(32).fill(99));
  readonly #world: World;
  readonly #growing: GrowingNetwork;
  readonly #host: MemoryHost;
  readonly #grant: Uint8Array;

  constructor(world: World, growing: GrowingNetwork) {
    this.#world = world;
    this.#growing = growing;
    this.#host = new MemoryHost("stranger", world.scheduler);
    const kind = world.random.below(3);
    const foreign = networkOf("elsewhere", this.key);
    const borrowed = world.machines[0]?.state?.grant;
    this.#grant = kind === 0 && borrowed !== undefined ? borrowed : foundersGrant(this.key);
    this.#networkId = kind === 1 ? foreign.id : growing.network.id;
  }

  readonly #networkId: GrowingNetwork["network"]["id"];

  async start(): Promise<void> {
    this.#host.start();
    const transport = new MemoryTransport({
      network: this.#world.network,
      host: this.#host,
      hello: {
        node: this.key.nodeId,
        instance: "stranger",
        protocolVersion: "1.0.0",
        minProtocolVersion: "1.0.0",
        features: [],
        grant: this.#grant,
        wallMs: 0,
        addresses: [ADDRESS],
      },
    });
    await transport.start({
      admit: () => ({ ok: true }),
      linkUp: ({ node }) => this.#linked(node),
      linkDown: () => undefined,
      message: () => undefined,
      request: () => Promise.reject(new MyceliumError("CLOSED", "a stranger answers nothing")),
    });
    const gossip = new MemoryGossip(this.#growing.mesh, this.key.nodeId, this.#host);
    const round = () => {
      const { machines } = this.#world;
      transport.setPeers(
        machines.map(({ address, node }) => ({ node, addresses: [address ?? ""] })),
      );
      void gossip.publish("mycelium/records/1", this.#record());
      this.#host.after(ROUND_MS, round);
    };
    round();
  }

  #linked(node: NodeId): void {
    this.#world.violated(`admission: ${node} links with a stranger`);
  }

  #record(): Uint8Array {
    const nowMs = this.#host.wallMs();
    const record = {
      networkId: this.#networkId,
      node: this.key.nodeId,
      class: "sclerotium" as const,
      role: "validator" as const,
      addresses: [ADDRESS],
      apiAddresses: [],
      multiaddrs: [],
      capabilities: CAPABILITIES,
      softwareVersion: "0.1.0",
      protocolVersion: "1.0.0",
      minProtocolVersion: "1.0.0",
      features: [],
      sequence: nowMs,
      issuedAtMs: nowMs,
      activity: [],
    };
    return encodeSignedRecord(signRecord(this.key, record, this.#grant));
  }
}
