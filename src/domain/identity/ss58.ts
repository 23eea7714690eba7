/**
 * SS58 addresses as Substrate writes them: base58 of network prefix, account and a BLAKE2b-512 checksum over
 * "SS58PRE", prefix and account. Prefixes 0 to 63 take one byte, up to 16,383 two; 46 and 47 are reserved.
 */

import { blake2b } from "@noble/hashes/blake2.js";
import { assert, concatBytes, equalBytes, fromBase58, toBase58, utf8 } from "../../base/index.ts";

export interface Ss58Address {
  readonly prefix: number;
  readonly account: Uint8Array;
}

const PREFIX_MAX = 16_383;
const RESERVED_PREFIXES: readonly number[] = [46, 47];
const TAG = utf8("SS58PRE");
/** Size of an account in bytes, and of its checksum. */
const CHECKSUM_SIZE = new Map([
  [1, 1],
  [2, 1],
  [4, 1],
  [8, 1],
  [32, 2],
  [33, 2],
]);

/** The account has 1, 2, 4, 8, 32 or 33 bytes. */
export function encodeSs58({ prefix, account }: Ss58Address): string {
  const checksumSize = CHECKSUM_SIZE.get(account.length);
  assert(checksumSize !== undefined, `an SS58 account has ${account.length} bytes`);
  assert(isPrefix(prefix), `${prefix} is no SS58 prefix`);
  const body = concatBytes(prefixBytes(prefix), account);
  return toBase58(concatBytes(body, checksum(body).subarray(0, checksumSize)));
}

/** Null unless `text` is an SS58 address of a known length with the right checksum. */
export function decodeSs58(text: string): Ss58Address | null {
  const bytes = fromBase58(text);
  const first = bytes?.[0];
  if (bytes === null || first === undefined || first >= 128) return null;
  const prefixSize = first < 64 ? 1 : 2;
  const rest = bytes.length - prefixSize;
  const accountSize = [...CHECKSUM_SIZE].find(([size, sum]) => size + sum === rest)?.[0];
  if (accountSize === undefined) return null;
  const bodySize = prefixSize + accountSize;
  const found = bytes.subarray(bodySize);
  if (!equalBytes(found, checksum(bytes.subarray(0, bodySize)).subarray(0, found.length)))
    return null;
  const prefix = prefixSize === 1 ? first : twoBytePrefix(first, bytes[1] ?? 0);
  // A prefix below 64 in two bytes would be a second spelling of the same address.
  if (!isPrefix(prefix) || (prefixSize === 2 && prefix < 64)) return null;
  return { prefix, account: bytes.slice(prefixSize, bodySize) };
}

function isPrefix(prefix: number): boolean {
  const inRange = Number.isInteger(prefix) && prefix >= 0 && prefix <= PREFIX_MAX;
  return inRange && !RESERVED_PREFIXES.includes(prefix);
}

function prefixBytes(prefix: number): Uint8Array {
  if (prefix < 64) return Uint8Array.of(prefix);
  const first = ((prefix & 0b1111_1100) >> 2) | 0b0100_0000;
  return Uint8Array.of(first, (prefix >> 8) | ((prefix & 0b11) << 6));
}

function twoBytePrefix(first: number, second: number): number {
  return ((first & 0b0011_1111) << 2) | (second >> 6) | ((second & 0b0011_1111) << 8);
}

function checksum(body: Uint8Array): Uint8Array {
  return blake2b(concatBytes(TAG, body), { dkLen: 64 });
}
