/** The words and shapes that this folder's documents share. */

import {
  asNetworkId,
  asNodeId,
  concatBytes,
  type NetworkId,
  type NodeId,
  utf8,
} from "../../base/index.ts";
import {
  bytes,
  integer,
  malformed,
  mapped,
  nullable,
  object,
  oneOf,
  type Shape,
  text,
} from "../wire/index.ts";
import { KEY_SIZE_BYTES, publicKeyOfNodeId, SIGNATURE_SIZE_BYTES } from "./keys.ts";

/** Full node, semi-node, client. */
export type NodeClass = "sclerotium" | "rhizomorph" | "hypha";
/** Null for a hypha. */
export type NodeRole = "validator" | "miner" | null;
/** 0 holds root keys, 1 is vetted, 2 is public. */
export type TrustTier = 0 | 1 | 2;

export const nodeClassShape: Shape<NodeClass> = oneOf("sclerotium", "rhizomorph", "hypha");
export const nodeRoleShape: Shape<NodeRole> = nullable(oneOf("validator", "miner"));
export const tierShape: Shape<TrustTier> = oneOf(0, 1, 2);
export const keyShape: Shape<Uint8Array> = owned(KEY_SIZE_BYTES, KEY_SIZE_BYTES);
export const signatureShape: Shape<Uint8Array> = owned(SIGNATURE_SIZE_BYTES, SIGNATURE_SIZE_BYTES);

/** A PeerId of an Ed25519 key. */
export const nodeIdShape: Shape<NodeId> = mapped(text(64), (id, path) => {
  if (publicKeyOfNodeId(id) === null) throw malformed(path, "a node id", id);
  return asNodeId(id);
});

export const networkIdShape: Shape<NetworkId> = mapped(text(64), (id, path) => {
  if (!/^[0-9a-f]{64}$/.test(id)) throw malformed(path, "64 hexadecimal digits", id);
  return asNetworkId(id);
});

/** Unix milliseconds; CBOR decoders give large integers as bigint. */
export const timeShape: Shape<number> = (value, path) =>
  integer()(typeof value === "bigint" ? Number(value) : value, path);

export const versionShape: Shape<string> = mapped(text(32), (version, path) => {
  if (!/^\d{1,5}\.\d{1,5}\.\d{1,5}$/.test(version)) throw malformed(path, "a version", version);
  return version;
});

/** A copy, so that a small part does not keep a whole message in memory. */
export function owned(sizeMax: number, sizeMin = 0): Shape<Uint8Array> {
  return mapped(bytes(sizeMax, sizeMin), (view) => view.slice());
}

/** A document's exact bytes and one signature over them. */
export interface SignedPart {
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

export function signedPartShape(payloadSizeMax: number): Shape<SignedPart> {
  return object({ payload: owned(payloadSizeMax), signature: signatureShape });
}

/** A signature is made for one purpose: the tag keeps it from counting for another. */
export function tagged(purpose: string, payload: Uint8Array): Uint8Array {
  return concatBytes(utf8(`mycelium ${purpose} 1\0`), payload);
}

/** Which roles a class can have. */
export function classAllowsRole(nodeClass: NodeClass, role: NodeRole): boolean {
  if (nodeClass === "hypha") return role === null;
  return nodeClass === "rhizomorph" ? role === "miner" : role !== null;
}
