/**
 * How a node describes itself: signed with its own key and numbered, so that whoever passes it on cannot change it
 * and the newest one is known. Travels with the node's membership grant.
 */

import { assert, type NetworkId, type NodeId } from "../../base/index.ts";
import {
  deterministicCbor,
  GRANT_CHAIN_SIZE_BYTES_MAX,
  type NodeClass,
  type NodeKey,
  type NodeRole,
  networkIdShape,
  nodeClassShape,
  nodeIdShape,
  nodeRoleShape,
  publicKeyOfNodeId,
  type SignedPart,
  sign,
  signedPartShape,
  tagged,
  timeShape,
  verify,
} from "../identity/index.ts";
import {
  bytes,
  decodeCbor,
  encodeCbor,
  flag,
  integer,
  list,
  malformed,
  mapped,
  nullable,
  object,
  type Shape,
  text,
} from "../wire/index.ts";
import { type ActivityPeriod, activityShape } from "./activity.ts";

export interface Capabilities {
  readonly cpuCount: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  /** As Node.js names it: "x64", "arm64". */
  readonly arch: string;
  readonly kvm: boolean;
  /** Null when not measured. */
  readonly bandwidthBitsPerSecond: number | null;
}

export interface NodeRecord {
  readonly networkId: NetworkId;
  readonly node: NodeId;
  readonly class: NodeClass;
  readonly role: NodeRole;
  /** "host:port" for links, best first. */
  readonly addresses: readonly string[];
  /** "host:port" of the HTTP API. */
  readonly apiAddresses: readonly string[];
  /** libp2p multiaddrs for gossip. */
  readonly multiaddrs: readonly string[];
  readonly capabilities: Capabilities;
  readonly softwareVersion: string;
  readonly protocolVersion: string;
  readonly minProtocolVersion: string;
  readonly features: readonly string[];
  /** From 1; the higher one wins. */
  readonly sequence: number;
  readonly issuedAtMs: number;
  readonly activity: readonly ActivityPeriod[];
}

/** A record as it travels. */
export interface SignedRecord {
  readonly record: NodeRecord;
  readonly part: SignedPart;
  /** The encoded grant chain of the node. */
  readonly grant: Uint8Array;
}

const PAYLOAD_BYTES_MAX = 8_192;
export const SIGNED_RECORD_BYTES_MAX = PAYLOAD_BYTES_MAX + GRANT_CHAIN_SIZE_BYTES_MAX + 256;
const ADDRESSES_MAX = 16;
const FEATURES_MAX = 32;
const PURPOSE = "node record";

const addressShape = printable(256);

const recordShape: Shape<NodeRecord> = object({
  networkId: networkIdShape,
  node: nodeIdShape,
  class: nodeClassShape,
  role: nodeRoleShape,
  addresses: list(addressShape, ADDRESSES_MAX),
  apiAddresses: list(addressShape, ADDRESSES_MAX),
  multiaddrs: list(addressShape, ADDRESSES_MAX),
  capabilities: object({
    cpuCount: integer(0, 65_536),
    memoryBytes: timeShape,
    diskBytes: timeShape,
    arch: printable(16),
    kvm: flag,
    bandwidthBitsPerSecond: nullable(timeShape),
  }),
  softwareVersion: printable(64),
  protocolVersion: printable(32),
  minProtocolVersion: printable(32),
  features: list(printable(64), FEATURES_MAX),
  sequence: timeShape,
  issuedAtMs: timeShape,
  activity: activityShape,
});

const envelopeShape = object({
  part: signedPartShape(PAYLOAD_BYTES_MAX),
  grant: bytes(GRANT_CHAIN_SIZE_BYTES_MAX),
});

export function signRecord(key: NodeKey, record: NodeRecord, grant: Uint8Array): SignedRecord {
  assert(record.node === key.nodeId, "a node signs its own record only");
  const { capabilities, activity } = record;
  const payload = deterministicCbor({
    ...record,
    capabilities: { ...capabilities },
    activity: activity.map((period) => ({ ...period })),
  });
  return { record, part: { payload, signature: sign(key, tagged(PURPOSE, payload)) }, grant };
}

export function encodeSignedRecord({ part, grant }: SignedRecord): Uint8Array {
  return encodeCbor({ part: { payload: part.payload, signature: part.signature }, grant });
}

/** Throws MALFORMED. Says nothing of the signature. */
export function decodeSignedRecord(encoded: Uint8Array): SignedRecord {
  if (encoded.length > SIGNED_RECORD_BYTES_MAX) {
    throw malformed("node record", `at most ${SIGNED_RECORD_BYTES_MAX} bytes`, encoded);
  }
  const { part, grant } = envelopeShape(decodeCbor(encoded), "node record");
  const record = recordShape(decodeCbor(part.payload), "node record");
  return { record, part, grant: grant.slice() };
}

/** Whether the node that the record names has signed it. */
export function recordSignatureHolds({ record, part }: SignedRecord): boolean {
  const publicKey = publicKeyOfNodeId(record.node);
  return publicKey !== null && verify(publicKey, tagged(PURPOSE, part.payload), part.signature);
}

/** Printable ASCII without spaces: it reaches logs and terminals. */
function printable(lengthMax: number): Shape<string> {
  return mapped(text(lengthMax), (value, path) => {
    if (!/^[!-~]*$/.test(value)) throw malformed(path, "printable text", value);
    return value;
  });
}
