/** For tests: a network of genesis nodes, their keys, and records they sign. */

import { asGroupId, asLogIndex, asReplicaId, asTerm, type NodeId } from "../../../base/index.ts";
import {
  createNetwork,
  encodeGrantChain,
  genesisGrantChain,
  isolationKeyHash,
  type Network,
  type NodeKey,
  nodeKeyFromSeed,
} from "../../identity/index.ts";
import { encodeConfiguration, makeConfiguration } from "../../raft/index.ts";
import {
  encodePrimaryStatement,
  type NodeRecord,
  type PrimaryProof,
  type PrimaryStatement,
  type SignedRecord,
  signPrimaryStatement,
  signRecord,
} from "../index.ts";

export const NOW_MS = 1_800_000_000_000;

export function keyOf(n: number): NodeKey {
  return nodeKeyFromSeed(new Uint8Array(32).fill(n));
}

export class SporeWorld {
  readonly keys: readonly NodeKey[];
  readonly network: Network;

  constructor(nodeCount: number, name = "home") {
    this.keys = Array.from({ length: nodeCount }, (_, i) => keyOf(i + 1));
    const genesis = {
      name,
      timeMs: NOW_MS,
      nodes: this.keys.map(({ nodeId: id }) => {
        return { id, class: "sclerotium", role: "validator" } as const;
      }),
      tier0Keys: this.keys.map(({ publicKey }) => publicKey),
      tier0Threshold: 1,
      isolationLevel: "strict",
      isolationKeyHash: isolationKeyHash(new Uint8Array(32).fill(9)),
      compatibilityVersion: "1.0.0",
      decisionThresholdPercent: 50,
      nodeCountMax: null,
    } as const;
    this.network = createNetwork(genesis, this.keys);
  }

  grant(key: NodeKey): Uint8Array {
    return encodeGrantChain(genesisGrantChain(key.nodeId));
  }

  record(key: NodeKey, changes: Partial<NodeRecord> = {}): NodeRecord {
    return {
      networkId: this.network.id,
      node: key.nodeId,
      class: "sclerotium",
      role: "validator",
      addresses: ["10.0.0.1:9090"],
      apiAddresses: ["10.0.0.1:8080"],
      multiaddrs: ["/ip4/10.0.0.1/tcp/9091"],
      capabilities: {
        cpuCount: 4,
        memoryBytes: 8 * 2 ** 30,
        diskBytes: 2 ** 38,
        arch: "arm64",
        kvm: true,
        bandwidthBitsPerSecond: null,
      },
      softwareVersion: "0.1.0",
      protocolVersion: "1.0.0",
      minProtocolVersion: "1.0.0",
      features: ["replication"],
      sequence: 1,
      issuedAtMs: NOW_MS,
      activity: [{ fromMs: NOW_MS, toMs: NOW_MS, interruptionCount: 0 }],
      ...changes,
    };
  }

  signed(key: NodeKey, changes: Partial<NodeRecord> = {}): SignedRecord {
    return signRecord(key, this.record(key, changes), this.grant(key));
  }

  /** A statement of the first node, all nodes voting with the weights given (1 each by default). */
  statement(changes: Partial<PrimaryStatement> = {}, weights: readonly number[] = []) {
    const voters = this.keys.map(({ nodeId }, i) => {
      return { replica: asReplicaId(nodeId), weight: weights[i] ?? 1 };
    });
    const leader: NodeId | undefined = this.keys[0]?.nodeId;
    if (leader === undefined) throw new Error("a world has a node");
    return {
      networkId: this.network.id,
      group: asGroupId("system"),
      term: asTerm(3),
      leader,
      index: asLogIndex(100),
      configuration: encodeConfiguration(makeConfiguration({ voters })),
      issuedAtMs: NOW_MS,
      ...changes,
    };
  }

  proof(statement: PrimaryStatement, signers: readonly NodeKey[]): PrimaryProof {
    const payload = encodePrimaryStatement(statement);
    const signatures = signers.map((key) => signPrimaryStatement(key, payload));
    return { statement, payload, signatures };
  }
}
