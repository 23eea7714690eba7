/**
 * Public keys of TUF roles and their signatures: Ed25519, which our own releases use, and the two other schemes of
 * the specification, which are what hardware tokens and key services offer to a publisher. Source: TUF 1.0.34, 4.2.1.
 */

import { constants, createPublicKey, verify as nativeVerify } from "node:crypto";
import { fromHex } from "../../base/index.ts";
import { verify as verifyEd25519 } from "../identity/index.ts";
import { object, type TypeOf, text } from "../wire/index.ts";

const KEY_TEXT_LENGTH_MAX = 4_096;
/** An RSA key of 8,192 bits signs in 1,024 bytes. */
const SIGNATURE_LENGTH_MAX = 2_048;

export type TufKey = TypeOf<typeof tufKeyShape>;
export const tufKeyShape = object({
  keytype: text(64),
  scheme: text(64),
  keyval: object({ public: text(KEY_TEXT_LENGTH_MAX) }),
});

export type TufSignature = TypeOf<typeof tufSignatureShape>;
export const tufSignatureShape = object({
  keyid: text(128),
  sig: text(SIGNATURE_LENGTH_MAX),
});

export interface TufRole {
  readonly keyIds: readonly string[];
  readonly threshold: number;
}

export type TufKeys = Readonly<Record<string, TufKey>>;

/**
 * How many of the role's keys have signed the message. One key counts once, also when it is listed under several
 * ids; an invalid signature beside valid ones does no harm.
 */
export function countSigners(
  role: TufRole,
  keys: TufKeys,
  signatures: readonly TufSignature[],
  message: Uint8Array,
): number {
  const signers = new Set<string>();
  for (const { keyid, sig } of signatures) {
    if (!role.keyIds.includes(keyid) || !Object.hasOwn(keys, keyid)) continue;
    const key = keys[keyid];
    if (key !== undefined && isSignedBy(key, message, sig)) signers.add(key.keyval.public);
  }
  return signers.size;
}

function isSignedBy(key: TufKey, message: Uint8Array, signatureHex: string): boolean {
  const signature = fromHex(signatureHex);
  if (signature === null || signature.length === 0) return false;
  if (key.scheme === "ed25519" && key.keytype === "ed25519") {
    const publicKey = fromHex(key.keyval.public);
    return publicKey !== null && verifyEd25519(publicKey, message, signature);
  }
  const padding = PEM_SCHEMES[key.scheme];
  if (padding === undefined) return false;
  try {
    const publicKey = createPublicKey({ key: key.keyval.public, format: "pem" });
    if (publicKey.asymmetricKeyType !== padding.keyType) return false;
    return nativeVerify("sha256", message, { key: publicKey, ...padding.options }, signature);
  } catch {
    // No key, or no signature of this kind: nobody has signed.
    return false;
  }
}

const PEM_SCHEMES: Readonly<Record<string, { keyType: string; options: object }>> = {
  "ecdsa-sha2-nistp256": { keyType: "ec", options: {} },
  "rsassa-pss-sha256": {
    keyType: "rsa",
    options: {
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: constants.RSA_PSS_SALTLEN_AUTO,
    },
  },
};
