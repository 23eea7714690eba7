/**
 * Node keys: Ed25519 (RFC 8032) by the native library. A node's id is the libp2p PeerId of its public key: the
 * identity multihash of the key's protobuf, in base58btc, so that the key can be read back out of the id.
 * Source: libp2p "Peer Ids and Keys".
 */

import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign as nativeSign,
  verify as nativeVerify,
} from "node:crypto";
import {
  asNodeId,
  assert,
  concatBytes,
  fromBase58,
  type NodeId,
  toBase58,
  toHex,
} from "../../base/index.ts";

export const KEY_SIZE_BYTES = 32;
export const SIGNATURE_SIZE_BYTES = 64;

/** PKCS #8 and SubjectPublicKeyInfo headers of an Ed25519 key (RFC 8410). */
const PRIVATE_DER_HEAD = Uint8Array.from([
  0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
]);
const PUBLIC_DER_HEAD = Uint8Array.from([
  0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
]);
/** Identity multihash of 36 bytes, which are protobuf (type Ed25519, data of 32 bytes). */
const PEER_ID_HEAD = Uint8Array.from([0x00, 0x24, 0x08, 0x01, 0x12, 0x20]);

/**
 * The y coordinates of all points of small order, in all encodings, sign bit off: a "signature" of such a key can be
 * made to fit any message (RFC 8032 leaves the check to the user).
 */
const SMALL_ORDER_KEYS: ReadonlySet<string> = new Set([
  "00".repeat(32),
  `01${"00".repeat(31)}`,
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  `ec${"ff".repeat(30)}7f`,
  `ed${"ff".repeat(30)}7f`,
  `ee${"ff".repeat(30)}7f`,
]);

/** Parsed public keys kept: parsing costs as much as a verification. */
const PUBLIC_KEYS_MAX = 1_024;

export interface NodeKey {
  readonly nodeId: NodeId;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** The secret: 32 bytes, from which the key is derived. Never logged, never sent. */
  readonly seed: Uint8Array;
}

const privateKeys = new WeakMap<NodeKey, KeyObject>();
const publicKeys = new Map<string, KeyObject>();

/** The key of a 32-byte seed; take the seed from a source of secrets. */
export function nodeKeyFromSeed(seed: Uint8Array): NodeKey {
  assert(seed.length === KEY_SIZE_BYTES, `a key's seed has 32 bytes, not ${seed.length}`);
  const privateKey = privateKeyOf(seed);
  const der = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  const publicKey = new Uint8Array(der.subarray(PUBLIC_DER_HEAD.length));
  const key: NodeKey = {
    nodeId: nodeIdOfPublicKey(publicKey),
    publicKey,
    seed: new Uint8Array(seed),
  };
  privateKeys.set(key, privateKey);
  return key;
}

/** Ed25519 signature, 64 bytes; the same for the same key and message. */
export function sign(key: NodeKey, message: Uint8Array): Uint8Array {
  let privateKey = privateKeys.get(key);
  if (privateKey === undefined) {
    privateKey = privateKeyOf(key.seed);
    privateKeys.set(key, privateKey);
  }
  return new Uint8Array(nativeSign(null, message, privateKey));
}

/** False for whatever is not this key's signature of this message, keys and signatures of wrong size included. */
export function verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== KEY_SIZE_BYTES || signature.length !== SIGNATURE_SIZE_BYTES)
    return false;
  const name = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.length);
  const parsed = parsedKey(name.toString("latin1"), () => publicKey);
  return parsed !== null && nativeVerify(null, message, parsed, signature);
}

/** The same for the key inside a node id; false for a text that is none. */
export function verifyOfNode(node: string, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_SIZE_BYTES) return false;
  const parsed = parsedKey(node, publicKeyOfNodeId);
  return parsed !== null && nativeVerify(null, message, parsed, signature);
}

/** libp2p PeerId of a 32-byte Ed25519 public key. */
export function nodeIdOfPublicKey(publicKey: Uint8Array): NodeId {
  assert(publicKey.length === KEY_SIZE_BYTES, `a public key has 32 bytes, not ${publicKey.length}`);
  return asNodeId(toBase58(concatBytes(PEER_ID_HEAD, publicKey)));
}

/** The public key inside a node id; null when the text is no PeerId of an Ed25519 key. */
export function publicKeyOfNodeId(id: string): Uint8Array | null {
  const decoded = fromBase58(id);
  if (decoded === null || decoded.length !== PEER_ID_HEAD.length + KEY_SIZE_BYTES) return null;
  for (const [i, byte] of PEER_ID_HEAD.entries()) if (decoded[i] !== byte) return null;
  return decoded.slice(PEER_ID_HEAD.length);
}

function privateKeyOf(seed: Uint8Array): KeyObject {
  const der = Buffer.from(concatBytes(PRIVATE_DER_HEAD, seed));
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
}

/** By the node's id or the key's bytes as latin1, which are shorter. */
function parsedKey(name: string, keyOf: (name: string) => Uint8Array | null): KeyObject | null {
  const known = publicKeys.get(name);
  if (known !== undefined) return known;
  const publicKey = keyOf(name);
  const parsed = publicKey === null ? null : parsePublicKey(publicKey);
  if (parsed === null) return null;
  const oldest = publicKeys.keys().next();
  if (publicKeys.size >= PUBLIC_KEYS_MAX && !oldest.done) publicKeys.delete(oldest.value);
  publicKeys.set(name, parsed);
  return parsed;
}

function isSmallOrder(publicKey: Uint8Array): boolean {
  const y = publicKey.slice();
  y[KEY_SIZE_BYTES - 1] = (y[KEY_SIZE_BYTES - 1] ?? 0) & 0x7f;
  return SMALL_ORDER_KEYS.has(toHex(y));
}

function parsePublicKey(publicKey: Uint8Array): KeyObject | null {
  if (isSmallOrder(publicKey)) return null;
  try {
    const der = Buffer.from(concatBytes(PUBLIC_DER_HEAD, publicKey));
    return createPublicKey({ key: der, format: "der", type: "spki" });
  } catch {
    // 32 bytes that are no point of the curve: nobody can have signed with them.
    return null;
  }
}
