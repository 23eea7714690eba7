/**
 * Core deterministic CBOR (RFC 8949, 4.2.1) for what is signed or hashed: shortest heads, definite lengths, map keys
 * in the order of their encoded bytes. Whoever builds such a document, in whatever language, gets the same bytes.
 */

import { assert, compareBytes, concatBytes, utf8 } from "../../base/index.ts";

export type DocumentValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly DocumentValue[]
  | { readonly [key: string]: DocumentValue };

const UNSIGNED = 0;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const FALSE = Uint8Array.of(0xf4);
const TRUE = Uint8Array.of(0xf5);
const NULL = Uint8Array.of(0xf6);

/** Numbers are whole and not negative. */
export function deterministicCbor(value: DocumentValue): Uint8Array {
  if (value === null) return NULL;
  if (typeof value === "boolean") return value ? TRUE : FALSE;
  if (typeof value === "number") return head(UNSIGNED, value);
  if (typeof value === "string") return withContent(TEXT, utf8(value));
  if (value instanceof Uint8Array) return withContent(BYTES, value);
  if (isList(value)) {
    return concatBytes(head(ARRAY, value.length), ...value.map(deterministicCbor));
  }
  const pairs = Object.entries(value)
    .map(([key, content]) => ({ key: deterministicCbor(key), content: deterministicCbor(content) }))
    .sort((a, b) => compareBytes(a.key, b.key));
  return concatBytes(head(MAP, pairs.length), ...pairs.flatMap((pair) => [pair.key, pair.content]));
}

function isList(value: object): value is readonly DocumentValue[] {
  return Array.isArray(value);
}

function withContent(major: number, content: Uint8Array): Uint8Array {
  return concatBytes(head(major, content.length), content);
}

function head(major: number, argument: number): Uint8Array {
  assert(Number.isSafeInteger(argument) && argument >= 0, `no CBOR head holds ${argument}`);
  const top = major << 5;
  if (argument < 24) return Uint8Array.of(top | argument);
  const sizeLog2 = argument < 0x100 ? 0 : argument < 0x1_0000 ? 1 : argument < 2 ** 32 ? 2 : 3;
  const bytes = new Uint8Array(1 + 2 ** sizeLog2);
  bytes[0] = top | (24 + sizeLog2);
  const view = new DataView(bytes.buffer);
  if (sizeLog2 === 0) view.setUint8(1, argument);
  else if (sizeLog2 === 1) view.setUint16(1, argument);
  else if (sizeLog2 === 2) view.setUint32(1, argument);
  else view.setBigUint64(1, BigInt(argument));
  return bytes;
}
