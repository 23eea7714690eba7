/**
 * The chunk index of a release: which chunks make a core, in order, and where each lies in the pack (every distinct
 * chunk once, compressed by zstd on its own, in order of first use). Canonical JSON: one core has one index, byte for
 * byte. What comes from outside is bounded and checked to be whole before anything is fetched by it.
 */

import { fromUtf8, MyceliumError, utf8 } from "../../base/index.ts";
import {
  integer,
  list,
  malformed,
  mapped,
  object,
  oneOf,
  type Shape,
  text,
} from "../wire/index.ts";
import { CHUNK_SIZE_MAX, CHUNK_SIZE_MIN } from "./chunker.ts";

export interface Chunk {
  /** Of its uncompressed bytes, 64 hexadecimal digits. */
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Where its zstd frame begins in the pack. */
  readonly packOffset: number;
  readonly packSizeBytes: number;
}

export interface ChunkIndex {
  readonly version: string;
  readonly coreSha256: string;
  readonly coreSizeBytes: number;
  /** In core order; a chunk that occurs twice has the same place in the pack. */
  readonly chunks: readonly Chunk[];
}

const FORMAT = 1;
const CORE_SIZE_MAX = 512 * 1_024 * 1_024;
const CHUNKS_MAX = CORE_SIZE_MAX / CHUNK_SIZE_MIN;
const VERSION_LENGTH_MAX = 32;
/** An index of the largest core: whoever downloads one stops here. */
export const CHUNK_INDEX_SIZE_MAX = 4 * 1_024 * 1_024;

const sha256: Shape<string> = mapped(text(64), (hex, path) => {
  if (!/^[0-9a-f]{64}$/.test(hex)) throw malformed(path, "64 hexadecimal digits", hex);
  return hex;
});

const version: Shape<string> = mapped(text(VERSION_LENGTH_MAX), (found, path) => {
  if (!/^[0-9A-Za-z.+-]+$/.test(found)) throw malformed(path, "a version", found);
  return found;
});

const document = object({
  format: oneOf(FORMAT),
  version,
  core: object({ sha256, size: integer(1, CORE_SIZE_MAX) }),
  chunks: list(chunk, CHUNKS_MAX),
});

function chunk(value: unknown, path: string): Chunk {
  const [hash, size, offset, packed, ...rest] = list((item) => item, 4)(value, path);
  if (rest.length > 0) throw malformed(path, "four values", value);
  const sizeBytes = integer(1, CHUNK_SIZE_MAX)(size, `${path}[1]`);
  return {
    sha256: sha256(hash, `${path}[0]`),
    sizeBytes,
    packOffset: integer()(offset, `${path}[2]`),
    packSizeBytes: integer(1, packSizeMax(sizeBytes))(packed, `${path}[3]`),
  };
}

/** What zstd needs at most for bytes that do not compress, with its frame's head. */
function packSizeMax(sizeBytes: number): number {
  return sizeBytes + (sizeBytes >> 8) + 64;
}

/** How long the pack is that the index speaks of. */
export function packSizeBytes({ chunks }: ChunkIndex): number {
  return chunks.reduce((end, one) => Math.max(end, one.packOffset + one.packSizeBytes), 0);
}

export function encodeChunkIndex(index: ChunkIndex): Uint8Array {
  const { chunks, coreSha256, coreSizeBytes } = index;
  return utf8(
    JSON.stringify({
      chunks: chunks.map((one) => [one.sha256, one.sizeBytes, one.packOffset, one.packSizeBytes]),
      core: { sha256: coreSha256, size: coreSizeBytes },
      format: FORMAT,
      version: index.version,
    }),
  );
}

/** Throws MALFORMED that says what is wrong. */
export function decodeChunkIndex(bytes: Uint8Array): ChunkIndex {
  if (bytes.length > CHUNK_INDEX_SIZE_MAX) {
    throw refusal(`found ${bytes.length} bytes, needed at most ${CHUNK_INDEX_SIZE_MAX}`);
  }
  const { core, chunks, ...rest } = document(parsed(bytes), "chunk index");
  const index: ChunkIndex = {
    version: rest.version,
    coreSha256: core.sha256,
    coreSizeBytes: core.size,
    chunks,
  };
  checkWhole(index);
  return index;
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes));
  } catch (cause) {
    throw refusal("found no JSON", cause);
  }
}

/** The chunks make a core of the size that is named, and fill the pack without gap or overlap. */
function checkWhole({ chunks, coreSizeBytes }: ChunkIndex): void {
  const known = new Map<string, Chunk>();
  let coreEnd = 0;
  let packEnd = 0;
  for (const one of chunks) {
    coreEnd += one.sizeBytes;
    const earlier = known.get(one.sha256);
    if (earlier === undefined) {
      if (one.packOffset !== packEnd) {
        throw refusal(`found a chunk at ${one.packOffset} of the pack, needed it at ${packEnd}`);
      }
      packEnd += one.packSizeBytes;
      known.set(one.sha256, one);
    } else if (!isSame(one, earlier)) {
      throw refusal(`found two different entries of chunk ${one.sha256}`);
    }
  }
  if (coreEnd !== coreSizeBytes) {
    throw refusal(`found chunks of ${coreEnd} bytes in all, needed ${coreSizeBytes}`);
  }
}

function isSame(one: Chunk, other: Chunk): boolean {
  return (
    one.sizeBytes === other.sizeBytes &&
    one.packOffset === other.packOffset &&
    one.packSizeBytes === other.packSizeBytes
  );
}

function refusal(what: string, cause?: unknown): MyceliumError {
  return new MyceliumError("MALFORMED", `Cannot read a chunk index: ${what}`, { cause });
}
