/**
 * The certificate a node shows on its links: X.509 v3, self-signed with the node's own Ed25519 key (RFC 5280,
 * RFC 8410), with no end. It says nothing but the key: who the peer is comes from the key, never from a name or a CA.
 */

import type { KeyObject, X509Certificate } from "node:crypto";
import { assert, concatBytes, type NodeId, utf8 } from "../../base/index.ts";
import {
  KEY_SIZE_BYTES,
  type NodeKey,
  nodeIdOfPublicKey,
  sign,
} from "../../domain/identity/index.ts";

const TAG = {
  integer: 0x02,
  bitString: 0x03,
  objectId: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  version: 0xa0,
} as const;

const ED25519_ID = Uint8Array.of(0x2b, 0x65, 0x70);
const COMMON_NAME_ID = Uint8Array.of(0x55, 0x04, 0x03);
/** PKCS #8 head of an Ed25519 private key. */
const PRIVATE_KEY_HEAD = Uint8Array.from([
  0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
]);
/** SubjectPublicKeyInfo head of an Ed25519 key. */
const PUBLIC_KEY_HEAD = Uint8Array.from([
  0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
]);

export interface LinkCredentials {
  /** PEM. */
  readonly certificate: string;
  /** PEM of the private key: a secret. */
  readonly privateKey: string;
}

export function makeLinkCredentials(key: NodeKey): LinkCredentials {
  const algorithm = der(TAG.sequence, der(TAG.objectId, ED25519_ID));
  const commonName = concatBytes(
    der(TAG.objectId, COMMON_NAME_ID),
    der(TAG.utf8String, utf8("node")),
  );
  const name = der(TAG.sequence, der(TAG.set, der(TAG.sequence, commonName)));
  const validity = concatBytes(
    der(TAG.utcTime, utf8("000101000000Z")),
    der(TAG.generalizedTime, utf8("99991231235959Z")),
  );
  const signed = der(
    TAG.sequence,
    der(TAG.version, der(TAG.integer, Uint8Array.of(2))),
    der(TAG.integer, Uint8Array.of(1)),
    algorithm,
    name,
    der(TAG.sequence, validity),
    name,
    PUBLIC_KEY_HEAD,
    key.publicKey,
  );
  const signature = der(TAG.bitString, Uint8Array.of(0), sign(key, signed));
  return {
    certificate: pem("CERTIFICATE", der(TAG.sequence, signed, algorithm, signature)),
    privateKey: pem("PRIVATE KEY", concatBytes(PRIVATE_KEY_HEAD, key.seed)),
  };
}

/** The node whose Ed25519 key the certificate holds; null for another kind of key. */
export function nodeIdOfCertificate(certificate: X509Certificate): NodeId | null {
  const spki = spkiOf(certificate.publicKey);
  if (spki.length !== PUBLIC_KEY_HEAD.length + KEY_SIZE_BYTES) return null;
  if (Buffer.compare(spki.subarray(0, PUBLIC_KEY_HEAD.length), PUBLIC_KEY_HEAD) !== 0) return null;
  return nodeIdOfPublicKey(new Uint8Array(spki.subarray(PUBLIC_KEY_HEAD.length)));
}

function spkiOf(key: KeyObject): Buffer {
  return key.export({ format: "der", type: "spki" });
}

/** One DER element (X.690); our contents stay under 64 KiB. */
function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const content = concatBytes(...contents);
  const size = content.length;
  assert(size < 0x1_0000, `a DER element has ${size} bytes`);
  if (size < 0x80) return concatBytes(Uint8Array.of(tag, size), content);
  if (size < 0x100) return concatBytes(Uint8Array.of(tag, 0x81, size), content);
  return concatBytes(Uint8Array.of(tag, 0x82, size >> 8, size & 0xff), content);
}

function pem(label: string, content: Uint8Array): string {
  const lines =
    Buffer.from(content)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
