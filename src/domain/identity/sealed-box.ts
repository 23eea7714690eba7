/**
 * A box that only the holder of an X25519 key opens: ephemeral X25519 (RFC 7748), HKDF-SHA-256 over both public keys
 * and the purpose, AES-256-GCM. Each box has a key of its own, so its nonce is zero. It does not say who sealed it.
 */

import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
} from "node:crypto";
import { assert, concatBytes, EMPTY_BYTES, utf8 } from "../../base/index.ts";

const SECRET_DER_HEAD = Buffer.from("302e020100300506032b656e04220420", "hex");
const PUBLIC_DER_HEAD = Buffer.from("302a300506032b656e032100", "hex");
const KEY_SIZE = 32;
const TAG_SIZE = 16;
const NONCE = new Uint8Array(12);

/** What a sealed box is longer than its content. */
export const BOX_OVERHEAD_BYTES = KEY_SIZE + TAG_SIZE;

/** The X25519 public key of 32 secret bytes. */
export function boxPublicKey(secret: Uint8Array): Uint8Array {
  const der = createPublicKey(secretKeyOf(secret)).export({ format: "der", type: "spki" });
  return new Uint8Array(der.subarray(PUBLIC_DER_HEAD.length));
}

/**
 * Seals for `recipient`. `ephemeralSecret` is 32 fresh bytes from a source of secrets, used once. Null when
 * `recipient` is no usable key (32 bytes of another size, or a point of small order).
 */
export function sealBox(
  recipient: Uint8Array,
  ephemeralSecret: Uint8Array,
  purpose: string,
  content: Uint8Array,
): Uint8Array | null {
  const sender = boxPublicKey(ephemeralSecret);
  const key = boxKey(ephemeralSecret, recipient, concatBytes(sender, recipient), purpose);
  if (key === null) return null;
  const cipher = createCipheriv("aes-256-gcm", key, NONCE);
  return concatBytes(sender, cipher.update(content), cipher.final(), cipher.getAuthTag());
}

/** The content; null when the box is damaged, for another key, or for another purpose. */
export function openBox(secret: Uint8Array, purpose: string, box: Uint8Array): Uint8Array | null {
  if (box.length < BOX_OVERHEAD_BYTES) return null;
  const sender = box.subarray(0, KEY_SIZE);
  const key = boxKey(secret, sender, concatBytes(sender, boxPublicKey(secret)), purpose);
  if (key === null) return null;
  const decipher = createDecipheriv("aes-256-gcm", key, NONCE);
  decipher.setAuthTag(box.subarray(box.length - TAG_SIZE));
  try {
    const content = decipher.update(box.subarray(KEY_SIZE, box.length - TAG_SIZE));
    return concatBytes(content, decipher.final());
  } catch {
    // The tag does not fit: what a damaged or foreign box looks like.
    return null;
  }
}

function boxKey(
  secret: Uint8Array,
  peer: Uint8Array,
  publicKeys: Uint8Array,
  purpose: string,
): Uint8Array | null {
  const shared = peer.length === KEY_SIZE ? sharedSecret(secretKeyOf(secret), peer) : null;
  if (shared === null) return null;
  const info = concatBytes(utf8(`mycelium box 1\0${purpose}\0`), publicKeys);
  return new Uint8Array(hkdfSync("sha256", shared, EMPTY_BYTES, info, KEY_SIZE));
}

/** Null for a point of small order, which would give everybody the same secret. */
function sharedSecret(privateKey: KeyObject, peer: Uint8Array): Uint8Array | null {
  try {
    const shared = diffieHellman({ privateKey, publicKey: publicKeyOf(peer) });
    return shared.every((byte) => byte === 0) ? null : shared;
  } catch {
    // The library itself refuses such points.
    return null;
  }
}

function secretKeyOf(secret: Uint8Array): KeyObject {
  assert(secret.length === KEY_SIZE, `an X25519 secret has 32 bytes, not ${secret.length}`);
  const key = Buffer.concat([SECRET_DER_HEAD, secret]);
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
}

function publicKeyOf(bytes: Uint8Array): KeyObject {
  const key = Buffer.concat([PUBLIC_DER_HEAD, bytes]);
  return createPublicKey({ key, format: "der", type: "spki" });
}
