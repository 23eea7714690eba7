/** What a peer says of itself once the isolation key is proved. Its node id is not in it: that is the key of the
 * TLS certificate. */

import { decodeCbor, encodeCbor } from "./cbor.ts";
import { added, bytes, integer, list, object, text } from "./shape.ts";

/** A chain of three grants fits well. */
const GRANT_SIZE_BYTES_MAX = 16_384;
/** Addresses beyond this are not told. */
const HELLO_ADDRESS_COUNT_MAX = 64;
/** Bound of a whole hello on the wire. */
export const HELLO_SIZE_BYTES_MAX = 65_536;

export interface Hello {
  readonly instance: string;
  readonly protocolVersion: string;
  readonly minProtocolVersion: string;
  readonly features: readonly string[];
  readonly grant: Uint8Array;
  readonly wallMs: number;
  readonly addresses: readonly string[];
  /** Of the software. Empty: a release that did not tell yet. */
  readonly release: string;
}

const helloShape = object({
  instance: text(64),
  protocolVersion: text(32),
  minProtocolVersion: text(32),
  features: list(text(64), 64),
  grant: bytes(GRANT_SIZE_BYTES_MAX),
  wallMs: integer(),
  addresses: list(text(256), HELLO_ADDRESS_COUNT_MAX),
  release: added(text(64), ""),
});

export function encodeHello(hello: Hello): Uint8Array {
  return encodeCbor({
    instance: hello.instance,
    protocolVersion: hello.protocolVersion,
    minProtocolVersion: hello.minProtocolVersion,
    features: hello.features,
    grant: hello.grant,
    wallMs: hello.wallMs,
    addresses: hello.addresses.slice(0, HELLO_ADDRESS_COUNT_MAX),
    release: hello.release,
  });
}

/** Throws MALFORMED. Bound the size of `encoded` by HELLO_SIZE_BYTES_MAX before calling. */
export function decodeHello(encoded: Uint8Array): Hello {
  return helloShape(decodeCbor(encoded), "hello");
}
