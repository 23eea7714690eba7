/**
 * Proof of holding the isolation key, the first frame of a link: HMAC-SHA-256 under the key over who proves to whom,
 * the TLS session's exported secret, 16 random bytes and the minute. Order of the ids and session keep it from being
 * reflected or moved; a proof seen before is refused for as long as its minute counts.
 */

import { createHmac, timingSafeEqual } from "node:crypto";
import { assert, concatBytes, type NodeId, toHex, utf8 } from "../../base/index.ts";
import { readU32, writeU32 } from "./frame.ts";

const ISOLATION_KEY_SIZE_BYTES = 32;
export const PROOF_NONCE_SIZE_BYTES = 16;
const PROOF_SIZE_BYTES = PROOF_NONCE_SIZE_BYTES + 4 + 32;
/** Minutes a proof may be off either way. */
const PROOF_WINDOW_MINUTES = 1;

const DOMAIN = utf8("mycelium link 1\0");
const MINUTE_MS = 60_000;
/** Only holders of the key can fill it: a hundred links opened each second fit. */
const SEEN_COUNT_MAX = 32_768;

export interface ProofContext {
  /** Who proves. */
  readonly from: NodeId;
  /** Who is to believe. */
  readonly to: NodeId;
  /** Keying material exported from the TLS session (RFC 8446, section 7.5). */
  readonly binding: Uint8Array;
}

/** `nonce` is 16 bytes from a source of secrets. */
export function makeIsolationProof(
  key: Uint8Array,
  context: ProofContext,
  nonce: Uint8Array,
  wallMs: number,
): Uint8Array {
  assert(nonce.length === PROOF_NONCE_SIZE_BYTES, `a proof's nonce has ${nonce.length} bytes`);
  const minute = new Uint8Array(4);
  writeU32(minute, 0, minuteOf(wallMs));
  return concatBytes(nonce, minute, proofMac(key, context, nonce, minute));
}

/** Checks proofs and remembers the good ones, so that none counts twice. */
export class ProofChecker {
  readonly #windowMinutes: number;
  readonly #minuteOfSeen = new Map<string, number>();

  constructor(windowMinutes: number = PROOF_WINDOW_MINUTES) {
    this.#windowMinutes = windowMinutes;
  }

  get seenCount(): number {
    return this.#minuteOfSeen.size;
  }

  /** Whether `proof` was made under one of `keys` for this context, within the window, and is new. */
  accept(
    keys: readonly Uint8Array[],
    context: ProofContext,
    proof: Uint8Array,
    wallMs: number,
  ): boolean {
    if (proof.length !== PROOF_SIZE_BYTES) return false;
    const nonce = proof.subarray(0, PROOF_NONCE_SIZE_BYTES);
    const minuteBytes = proof.subarray(PROOF_NONCE_SIZE_BYTES, PROOF_NONCE_SIZE_BYTES + 4);
    const mac = proof.subarray(PROOF_NONCE_SIZE_BYTES + 4);
    const minute = readU32(minuteBytes, 0);
    if (Math.abs(minute - minuteOf(wallMs)) > this.#windowMinutes) return false;
    const made = keys.some((key) =>
      timingSafeEqual(proofMac(key, context, nonce, minuteBytes), mac),
    );
    return made && this.#remember(toHex(proof), minute, minuteOf(wallMs));
  }

  #remember(proof: string, minute: number, nowMinute: number): boolean {
    for (const [seen, seenMinute] of this.#minuteOfSeen) {
      if (Math.abs(seenMinute - nowMinute) <= this.#windowMinutes) break;
      this.#minuteOfSeen.delete(seen);
    }
    if (this.#minuteOfSeen.has(proof) || this.#minuteOfSeen.size >= SEEN_COUNT_MAX) return false;
    this.#minuteOfSeen.set(proof, minute);
    return true;
  }
}

function minuteOf(wallMs: number): number {
  return Math.floor(wallMs / MINUTE_MS) >>> 0;
}

function proofMac(
  key: Uint8Array,
  { from, to, binding }: ProofContext,
  nonce: Uint8Array,
  minute: Uint8Array,
): Uint8Array {
  assert(key.length === ISOLATION_KEY_SIZE_BYTES, `an isolation key has ${key.length} bytes`);
  // Ids and binding are of fixed size or carry their length, so no two contexts give the same bytes.
  const ids = utf8(`${from}\0${to}\0`);
  return createHmac("sha256", key)
    .update(DOMAIN)
    .update(ids)
    .update(Uint8Array.of(binding.length))
    .update(binding)
    .update(nonce)
    .update(minute)
    .digest();
}
