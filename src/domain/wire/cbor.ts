/**
 * CBOR (RFC 8949) for everything that crosses a process or is signed. One encoder with fixed options, so that the
 * same value gives the same bytes on every node: callers build objects with their keys in a fixed order.
 */

import { Decoder } from "cbor-x/decode";
import { Encoder } from "cbor-x/encode";
import { MyceliumError, messageOf } from "../../base/index.ts";

/** What the codec carries. Integers beyond 2^53 are bigint. */
export type CborValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly CborValue[]
  | { readonly [key: string]: CborValue };

const OPTIONS = { useRecords: false, mapsAsObjects: true, tagUint8Array: false } as const;
const encoder = new Encoder(OPTIONS);
const decoder = new Decoder(OPTIONS);

export function encodeCbor(value: CborValue): Uint8Array {
  // The encoder reuses its buffer: copy, so that the caller owns what it gets.
  return new Uint8Array(encoder.encode(value));
}

/**
 * The value of one whole CBOR item. Throws MALFORMED on anything else. The result is `unknown`: check it with a
 * shape (`shape.ts`) before use. Bound the size of `bytes` before calling.
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw new MyceliumError("MALFORMED", `Cannot decode CBOR: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
