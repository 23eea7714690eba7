/**
 * A network whose members change, as the world knows it: its genesis, what carries its spores, and the ledger of who
 * joined with which token, left or was removed. The nodes are told nothing of the ledger; they are judged by it.
 */

import {
  EPOCH_MS,
  MemoryGossipMesh,
  type MemoryNetwork,
  MemorySeedStorage,
} from "../../src/adapters/memory/index.ts";
import type { NodeState } from "../../src/agent/node-state.ts";
import { type NodeId, present } from "../../src/base/index.ts";
import {
  createNetwork,
  encodeGrantChain,
  genesisGrantChain,
  isolationKeyHash,
  type Network,
  type NodeKey,
} from "../../src/domain/identity/index.ts";
import type { Machine } from "./machine.ts";
import type { Growth } from "./plan.ts";

/** `leaving` and `removing`: the network may or may not have heard of it yet. */
export type Standing = "outside" | "joining" | "member" | "leaving" | "removing" | "gone";

/** A join token, and what came of it. */
export interface TokenFacts {
  readonly usesMax: number;
  readonly tokenKey: Uint8Array;
  readonly asked: Set<NodeId>;
  readonly joined: Set<NodeId>;
}

export class GrowingNetwork {
  readonly growth: Growth;
  readonly network: Network;
  readonly mesh: MemoryGossipMesh;
  readonly seed = new MemorySeedStorage();
  readonly tokens: TokenFacts[] = [];
  /** All that ever held a grant. */
  readonly #admitted = new Set<NodeId>();
  readonly #standings = new Map<Machine, Standing>();
  readonly #violated: (what: string) => void;
  readonly #machines: readonly Machine[];

  constructor(options: {
    readonly growth: Growth;
    readonly machines: readonly Machine[];
    readonly links: MemoryNetwork;
    readonly violated: (what: string) => void;
  }) {
    const { growth, machines, links, violated } = options;
    this.growth = growth;
    this.#machines = machines;
    this.#violated = violated;
    this.mesh = new MemoryGossipMesh(links);
    this.mesh.lossRate = growth.gossipLossRate;
    const founder = present(machines[0], "a founder");
    this.network = networkOf("home", founder.key);
    founder.state = stateOf(this.network, founder.key, foundersGrant(founder.key));
    this.#admitted.add(founder.node);
    this.#standings.set(founder, "member");
  }

  standing(machine: Machine): Standing {
    return this.#standings.get(machine) ?? "outside";
  }

  stands(machine: Machine, standing: Standing): void {
    this.#standings.set(machine, standing);
  }

  /** Those that are members and stay so, as far as anybody has said. */
  members(): readonly Machine[] {
    return this.#machines.filter((machine) => this.standing(machine) === "member");
  }

  /** Whether a node ever had a grant. */
  wasAdmitted(node: NodeId): boolean {
    return this.#admitted.has(node);
  }

  /** Whether a node was admitted, or has asked to be. */
  mayBeMember(node: NodeId): boolean {
    return this.wasAdmitted(node) || this.tokens.some(({ asked }) => asked.has(node));
  }

  newToken(tokenKey: Uint8Array, usesMax: number): TokenFacts {
    const token = { tokenKey, usesMax, asked: new Set<NodeId>(), joined: new Set<NodeId>() };
    this.tokens.push(token);
    return token;
  }

  joined(machine: Machine, token: TokenFacts, grant: Uint8Array): void {
    token.joined.add(machine.node);
    if (token.joined.size > token.usesMax) {
      this.#violated(`token: ${token.joined.size} joined with it, it was for ${token.usesMax}`);
    }
    this.#admitted.add(machine.node);
    machine.state = stateOf(this.network, machine.key, grant);
    this.stands(machine, "member");
  }

  /** A joiner was told that its token is used up. */
  refusedAsUsed(machine: Machine, token: TokenFacts): void {
    if (token.asked.size <= token.usesMax) {
      this.#violated(
        `token: ${machine.name} is told that it is used up, ${token.asked.size} asked and it is for ` +
          `${token.usesMax}`,
      );
    }
    this.stands(machine, "outside");
  }
}

export function networkOf(name: string, founder: NodeKey): Network {
  return createNetwork(
    {
      name,
      timeMs: EPOCH_MS,
      nodes: [{ id: founder.nodeId, class: "sclerotium", role: "validator" }],
      tier0Keys: [founder.publicKey],
      tier0Threshold: 1,
      isolationLevel: "strict",
      isolationKeyHash: isolationKeyHash(ISOLATION_KEY),
      compatibilityVersion: "1.0.0",
      decisionThresholdPercent: 50,
      nodeCountMax: null,
    },
    [founder],
  );
}

export function foundersGrant(key: NodeKey): Uint8Array {
  return encodeGrantChain(genesisGrantChain(key.nodeId));
}

export const ISOLATION_KEY = new Uint8Array(32).fill(7);

function stateOf(network: Network, key: NodeKey, grant: Uint8Array): NodeState {
  return { key, network, isolationKey: ISOLATION_KEY, grant };
}
