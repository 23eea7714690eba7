/** How nodes hand each other the chunks of a core: "what have you of this core?", and "these bytes of it". */

import { MyceliumError } from "../../base/index.ts";
import { CHUNK_SIZE_MAX } from "../../domain/update/index.ts";
import {
  bytes,
  decodeCbor,
  encodeCbor,
  flag,
  integer,
  malformed,
  mapped,
  object,
  type Shape,
  text,
} from "../../domain/wire/index.ts";

export const HAVE_METHOD = "update.have";
export const CHUNK_METHOD = "update.chunk";

/** One bit a chunk: room for the largest core in the smallest chunks. */
const BITMAP_SIZE_MAX = 4_096;

export interface ChunkRequest {
  /** SHA-256 of the core. */
  readonly core: string;
  readonly offset: number;
  /** At most CHUNK_SIZE_MAX. */
  readonly sizeBytes: number;
}

/** What a node has of a core: all of it, or the chunks of the index whose bits are set (lowest bit first). */
export interface Holding {
  readonly whole: boolean;
  readonly bitmap: Uint8Array;
}

const sha256: Shape<string> = mapped(text(64), (hex, path) => {
  if (!/^[0-9a-f]{64}$/.test(hex)) throw malformed(path, "64 hexadecimal digits", hex);
  return hex;
});
const haveShape = object({ core: sha256 });
const chunkShape = object({
  core: sha256,
  offset: integer(),
  sizeBytes: integer(1, CHUNK_SIZE_MAX),
});
const holdingShape = object({ whole: flag, bitmap: bytes(BITMAP_SIZE_MAX) });

export function encodeHave(core: string): Uint8Array {
  return encodeCbor({ core });
}

/** Throws MALFORMED, as all decoders here. */
export function decodeHave(payload: Uint8Array): string {
  return haveShape(decodeCbor(payload), "a question for chunks").core;
}

export function encodeHolding({ whole, bitmap }: Holding): Uint8Array {
  return encodeCbor({ whole, bitmap });
}

export function decodeHolding(payload: Uint8Array): Holding {
  return holdingShape(decodeCbor(payload), "an answer about chunks");
}

export function encodeChunkRequest({ core, offset, sizeBytes }: ChunkRequest): Uint8Array {
  return encodeCbor({ core, offset, sizeBytes });
}

export function decodeChunkRequest(payload: Uint8Array): ChunkRequest {
  return chunkShape(decodeCbor(payload), "a request for a chunk");
}

export function bitmapOf(count: number, has: (position: number) => boolean): Uint8Array {
  const bitmap = new Uint8Array(Math.ceil(count / 8));
  for (let position = 0; position < count; position++) {
    if (has(position)) bitmap[position >> 3] = (bitmap[position >> 3] ?? 0) | (1 << (position & 7));
  }
  return bitmap;
}

export function holds({ whole, bitmap }: Holding, position: number): boolean {
  return whole || ((bitmap[position >> 3] ?? 0) & (1 << (position & 7))) !== 0;
}

export function notHeld(): MyceliumError {
  return new MyceliumError("UNREACHABLE", "Cannot serve a chunk: it is not here; ask another node");
}
