/**
 * Join tokens: one line that carries a network's id, addresses to enrol at, a secret seed and its expiry, safe to
 * copy, paste and show as a QR code. "myc1" and base32 of: size in bytes (two bytes), version, network id, seed,
 * expiry (seconds, four bytes), role and class, addresses, and 6 bytes of a SHA-256 over all before them. The
 * isolation key is not in it. The network judges by its own record of the token; these copies tell people early.
 */

import { createHash } from "node:crypto";
import {
  asNetworkId,
  assert,
  concatBytes,
  equalBytes,
  formatDurationMs,
  fromHex,
  fromUtf8,
  MyceliumError,
  type NetworkId,
  present,
  toHex,
  utf8,
} from "../../base/index.ts";
import { foreignLetterAt, fromBase32, toBase32 } from "./base32.ts";
import { classAllowsRole, type NodeClass, type NodeRole } from "./fields.ts";
import { KEY_SIZE_BYTES } from "./keys.ts";

export interface JoinToken {
  readonly networkId: NetworkId;
  /** "host:port" of members' HTTP ports, tried in order; 1 to 8. */
  readonly addresses: readonly string[];
  /** Secret, 32 bytes: the Ed25519 seed of the token's key. */
  readonly seed: Uint8Array;
  /** Unix milliseconds, a whole second. */
  readonly expiresAtMs: number;
  readonly class: NodeClass;
  readonly role: NodeRole;
}

export const TOKEN_ADDRESSES_MAX = 8;
const ADDRESS_SIZE_MAX = 128;
const HEAD = "myc1";
const VERSION = 1;
const SIZE_BYTES = 2;
const CHECKSUM_SIZE = 6;
const TOKEN_SIZE_MAX = 2_048;
/** Size, version, network id, seed, expiry, kind, number of addresses, checksum. */
const TOKEN_SIZE_MIN = SIZE_BYTES + 1 + 32 + KEY_SIZE_BYTES + 4 + 1 + 1 + CHECKSUM_SIZE;
const TEXT_LENGTH_MAX = 8_192;
const ADVICE = "create a new one with `mycelium token create`";

const KINDS: readonly { readonly class: NodeClass; readonly role: NodeRole }[] = [
  { class: "sclerotium", role: "validator" },
  { class: "sclerotium", role: "miner" },
  { class: "rhizomorph", role: "miner" },
  { class: "hypha", role: null },
];

export function encodeJoinToken(token: JoinToken): string {
  assert(classAllowsRole(token.class, token.role), `a ${token.class} cannot be ${token.role}`);
  const kind = KINDS.findIndex((one) => one.class === token.class && one.role === token.role);
  const addresses = token.addresses.slice(0, TOKEN_ADDRESSES_MAX).map(utf8);
  assert(addresses.length > 0, "a join token has an address");
  const expiry = new Uint8Array(4);
  new DataView(expiry.buffer).setUint32(0, Math.floor(token.expiresAtMs / 1_000));
  const body = concatBytes(
    Uint8Array.of(VERSION),
    present(fromHex(token.networkId), "network id"),
    token.seed,
    expiry,
    Uint8Array.of(kind, addresses.length),
    ...addresses.flatMap((address) => [Uint8Array.of(address.length), address]),
  );
  const size = body.length + SIZE_BYTES + CHECKSUM_SIZE;
  const sized = concatBytes(Uint8Array.of(size >> 8, size & 0xff), body);
  return HEAD + toBase32(concatBytes(sized, checksum(sized)));
}

/**
 * Reads a token as people paste it: spaces, line breaks and case do not matter. Throws BAD_TOKEN that says what is
 * wrong with it (no token, mistyped, cut short, altered), or TOKEN_EXPIRED.
 */
export function decodeJoinToken(text: string, nowMs: number): JoinToken {
  const token = parseToken(unwrap(text));
  if (nowMs < token.expiresAtMs) return token;
  const agoMs = nowMs - token.expiresAtMs;
  throw new MyceliumError(
    "TOKEN_EXPIRED",
    `Cannot join: the token expired ${formatDurationMs(agoMs)} ago; ${ADVICE}`,
  );
}

/** The bytes between size and checksum, both of which fit. */
function unwrap(text: string): Uint8Array {
  if (text.length > TEXT_LENGTH_MAX) throw badToken("is far too long", "use the whole line alone");
  const line = text.replace(/[\s\u200b\ufeff]+/g, "").toLowerCase();
  if (line === "")
    throw badToken("is empty", `pass the line that \`mycelium token create\` printed`);
  if (!line.startsWith(HEAD)) {
    throw badToken(`does not begin with "${HEAD}"`, `it is no join token; ${ADVICE}`);
  }
  const letters = line.slice(HEAD.length);
  const foreign = foreignLetterAt(letters);
  if (foreign >= 0) {
    const where = `has ${JSON.stringify(letters[foreign])} at position ${foreign + HEAD.length + 1}`;
    throw badToken(where, "it is mistyped: only a to z and 2 to 7 are used; copy it again");
  }
  const bytes = fromBase32(letters) ?? new Uint8Array();
  const size = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
  checkLength(letters.length, bytes.length < SIZE_BYTES ? null : size);
  const summed = bytes.subarray(0, size - CHECKSUM_SIZE);
  if (!equalBytes(checksum(summed), bytes.subarray(size - CHECKSUM_SIZE, size))) {
    throw badToken("is altered", "its checksum does not fit: a letter is wrong; copy it again");
  }
  return summed.subarray(SIZE_BYTES);
}

function checkLength(letterCount: number, size: number | null): void {
  const found = `has ${letterCount + HEAD.length} letters`;
  if (size === null) throw badToken(found, "it is cut short; copy the whole line");
  if (size < TOKEN_SIZE_MIN || size > TOKEN_SIZE_MAX) {
    throw badToken("is altered", "its first letters are wrong; copy it again");
  }
  const needed = Math.ceil((size * 8) / 5);
  if (letterCount === needed) return;
  const kind = letterCount < needed ? "cut short" : "too long";
  throw badToken(found, `it is ${kind}, needed ${needed + HEAD.length}; copy the whole line alone`);
}

function parseToken(body: Uint8Array): JoinToken {
  if (body[0] !== VERSION) {
    throw badToken(`is of version ${body[0]}`, "this release reads version 1; update Mycelium");
  }
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const kind = KINDS[body[69] ?? KINDS.length];
  const addresses = parseAddresses(body.subarray(70));
  if (kind === undefined || addresses === null) {
    throw badToken("is altered", `its content makes no sense; ${ADVICE}`);
  }
  return {
    networkId: asNetworkId(toHex(body.subarray(1, 33))),
    addresses,
    seed: body.slice(33, 65),
    expiresAtMs: view.getUint32(65) * 1_000,
    ...kind,
  };
}

function parseAddresses(bytes: Uint8Array): string[] | null {
  const count = bytes[0] ?? 0;
  const addresses: string[] = [];
  let offset = 1;
  for (let i = 0; i < count; i++) {
    const end = offset + 1 + (bytes[offset] ?? 0);
    const address = parseAddress(bytes.subarray(offset + 1, end));
    if (end > bytes.length || address === null) return null;
    addresses.push(address);
    offset = end;
  }
  const fits = count >= 1 && count <= TOKEN_ADDRESSES_MAX && offset === bytes.length;
  return fits ? addresses : null;
}

function parseAddress(bytes: Uint8Array): string | null {
  if (bytes.length > ADDRESS_SIZE_MAX || bytes.some((byte) => byte >= 0x80)) return null;
  const address = fromUtf8(bytes);
  return /^[A-Za-z0-9_.:%[\]-]+:\d{1,5}$/.test(address) ? address : null;
}

function checksum(bytes: Uint8Array): Uint8Array {
  const hash = createHash("sha256").update(utf8("mycelium join token 1\0")).update(bytes);
  return new Uint8Array(hash.digest().subarray(0, CHECKSUM_SIZE));
}

function badToken(found: string, todo: string): MyceliumError {
  return new MyceliumError("BAD_TOKEN", `Cannot join: the token ${found}; ${todo}`);
}
