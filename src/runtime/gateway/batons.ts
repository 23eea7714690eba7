/**
 * Batons: what a client shows to go on with its stream. Each is used once, cannot be guessed or forged, and dies
 * with the process. A stream without state needs no memory here: its baton says so. Source: Hrana 3, "Hrana over
 * HTTP".
 *
 * Bytes: 8 stream, 8 sequence number (big endian), then the first 16 of their HMAC-SHA-256.
 */

import { createHmac, timingSafeEqual } from "node:crypto";
import { fromBase64Url, toBase64Url } from "../../base/index.ts";

export interface Baton {
  /** 0 for a stream without state. */
  readonly stream: number;
  readonly sequence: number;
}

const PAYLOAD_BYTES = 16;
const MAC_BYTES = 16;

export class BatonCodec {
  readonly #secret: Uint8Array;

  constructor(secret: Uint8Array) {
    this.#secret = secret;
  }

  encode(baton: Baton): string {
    const bytes = new Uint8Array(PAYLOAD_BYTES + MAC_BYTES);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt(baton.stream));
    view.setBigUint64(8, BigInt(baton.sequence));
    bytes.set(this.#mac(bytes.subarray(0, PAYLOAD_BYTES)), PAYLOAD_BYTES);
    return toBase64Url(bytes);
  }

  /** Null unless this process made it. */
  decode(text: string): Baton | null {
    const bytes = fromBase64Url(text);
    if (bytes === null || bytes.length !== PAYLOAD_BYTES + MAC_BYTES) return null;
    const mac = this.#mac(bytes.subarray(0, PAYLOAD_BYTES));
    if (!timingSafeEqual(mac, bytes.subarray(PAYLOAD_BYTES))) return null;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return { stream: Number(view.getBigUint64(0)), sequence: Number(view.getBigUint64(8)) };
  }

  #mac(payload: Uint8Array): Uint8Array {
    const mac = createHmac("sha256", this.#secret).update("baton").update(payload).digest();
    return new Uint8Array(mac.buffer, mac.byteOffset, MAC_BYTES);
  }
}
