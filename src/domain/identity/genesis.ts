/**
 * The genesis document: what a network is. Deterministic CBOR, signed by every tier-0 key; the network's id is the
 * SHA-256 of its payload, so nothing of it can ever change.
 */

import { createHash } from "node:crypto";
import {
  asNetworkId,
  assert,
  equalBytes,
  type NetworkId,
  type NodeId,
  toHex,
} from "../../base/index.ts";
import {
  decodeCbor,
  encodeCbor,
  integer,
  list,
  malformed,
  mapped,
  nullable,
  object,
  oneOf,
  type Shape,
  text,
} from "../wire/index.ts";
import { deterministicCbor } from "./deterministic-cbor.ts";
import {
  classAllowsRole,
  keyShape,
  type NodeClass,
  type NodeRole,
  nodeClassShape,
  nodeIdShape,
  nodeRoleShape,
  owned,
  signatureShape,
  type TrustTier,
  tagged,
  timeShape,
  versionShape,
} from "./fields.ts";
import { type NodeKey, publicKeyOfNodeId, sign, verify } from "./keys.ts";

export interface GenesisNode {
  readonly id: NodeId;
  readonly class: NodeClass;
  readonly role: NodeRole;
}

export interface Genesis {
  readonly name: string;
  /** Unix milliseconds. */
  readonly timeMs: number;
  readonly nodes: readonly GenesisNode[];
  readonly tier0Keys: readonly Uint8Array[];
  /** How many tier-0 keys an override needs, 1 to all. */
  readonly tier0Threshold: number;
  readonly isolationLevel: "strict" | "controlled" | "permissive";
  readonly isolationKeyHash: Uint8Array;
  /** The oldest protocol that may take part. */
  readonly compatibilityVersion: string;
  /** Least share of all weight for a decision, in percent; what Byzantine safety needs is needed besides. */
  readonly decisionThresholdPercent: number;
  readonly nodeCountMax: number | null;
}

/** A genesis document with its id, decoded and checked. */
export interface Network {
  readonly id: NetworkId;
  readonly genesis: Genesis;
  /** The signed document, as it is stored and sent. */
  readonly encoded: Uint8Array;
}

export const GENESIS_SIZE_BYTES_MAX = 65_536;
const NODES_MAX = 256;
const TIER0_KEYS_MAX = 32;
const PURPOSE = "genesis";

const nodeShape: Shape<GenesisNode> = mapped(
  object({ id: nodeIdShape, class: nodeClassShape, role: nodeRoleShape }),
  (node, path) => {
    if (!classAllowsRole(node.class, node.role)) throw malformed(path, "a role of its class", node);
    return node;
  },
);

const genesisShape: Shape<Genesis> = mapped(
  object({
    name: text(63),
    timeMs: timeShape,
    nodes: list(nodeShape, NODES_MAX),
    tier0Keys: list(keyShape, TIER0_KEYS_MAX),
    tier0Threshold: integer(1, TIER0_KEYS_MAX),
    isolationLevel: oneOf("strict", "controlled", "permissive"),
    isolationKeyHash: keyShape,
    compatibilityVersion: versionShape,
    decisionThresholdPercent: integer(0, 100),
    nodeCountMax: nullable(integer(1, 100_000)),
  }),
  (genesis, path) => {
    if (genesis.nodes.length === 0) throw malformed(`${path}.nodes`, "at least one", genesis.nodes);
    if (genesis.tier0Threshold > genesis.tier0Keys.length) {
      throw malformed(`${path}.tier0Threshold`, "at most the number of tier-0 keys", null);
    }
    return genesis;
  },
);

const signedShape = object({
  payload: owned(GENESIS_SIZE_BYTES_MAX),
  signatures: list(signatureShape, TIER0_KEYS_MAX),
});

/** Signs with all tier-0 keys, given in the order of `genesis.tier0Keys`. */
export function createNetwork(genesis: Genesis, tier0: readonly NodeKey[]): Network {
  const same =
    tier0.length === genesis.tier0Keys.length &&
    tier0.every((key, i) => equalBytes(key.publicKey, genesis.tier0Keys[i] ?? new Uint8Array()));
  assert(same, "a genesis document is signed by exactly its tier-0 keys");
  const payload = deterministicCbor({
    ...genesis,
    nodes: genesis.nodes.map((node) => ({ ...node })),
  });
  const signatures = tier0.map((key) => sign(key, tagged(PURPOSE, payload)));
  return decodeNetwork(encodeCbor({ payload, signatures }));
}

/** Throws MALFORMED on whatever is not a genesis document signed by each of its tier-0 keys. */
export function decodeNetwork(encoded: Uint8Array): Network {
  if (encoded.length > GENESIS_SIZE_BYTES_MAX) {
    throw malformed("genesis", `at most ${GENESIS_SIZE_BYTES_MAX} bytes`, encoded);
  }
  const { payload, signatures } = signedShape(decodeCbor(encoded), "genesis");
  const genesis = genesisShape(decodeCbor(payload), "genesis");
  const signed = tagged(PURPOSE, payload);
  const complete =
    signatures.length === genesis.tier0Keys.length &&
    signatures.every((one, i) => verify(genesis.tier0Keys[i] ?? new Uint8Array(), signed, one));
  if (!complete) throw malformed("genesis", "the signature of every tier-0 key", signatures);
  const id = asNetworkId(toHex(createHash("sha256").update(payload).digest()));
  return { id, genesis, encoded: encoded.slice() };
}

/** A genesis node's entry and tier; null for all others. */
export function genesisMember(
  network: Network,
  id: string,
): (GenesisNode & { readonly tier: TrustTier }) | null {
  const node = network.genesis.nodes.find((one) => one.id === id);
  const key = node === undefined ? null : publicKeyOfNodeId(node.id);
  if (node === undefined || key === null) return null;
  const root = network.genesis.tier0Keys.some((one) => equalBytes(one, key));
  return { ...node, tier: root ? 0 : 1 };
}
