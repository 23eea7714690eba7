/**
 * The chunks of a core as they are served: an index, and a pack of every distinct chunk compressed on its own, so
 * that a node fetches just those it lacks.
 */

import { promisify } from "node:util";
import { constants, zstdCompress } from "node:zlib";
import { type Chunk, type ChunkIndex, chunksOf } from "../../src/domain/update/index.ts";
import { sha256Of } from "./files.ts";

const compress = promisify(zstdCompress);
/** At once: each holds its compressor's tables. */
const WORKERS = 4;

export interface ChunkPack {
  readonly index: ChunkIndex;
  readonly pack: Uint8Array;
}

/** `level` is zstd's, 1 to 22. */
export async function packChunks(
  core: Uint8Array,
  version: string,
  level: number,
): Promise<ChunkPack> {
  const pieces = [...chunksOf(core)].map(({ offset, sizeBytes }) => {
    const bytes = core.subarray(offset, offset + sizeBytes);
    return { bytes, sha256: sha256Of(bytes) };
  });
  const distinct = [...new Map(pieces.map((piece) => [piece.sha256, piece.bytes]))];
  const packed = await compressAll(
    distinct.map(([, bytes]) => bytes),
    level,
  );
  const places = new Map<string, { packOffset: number; packSizeBytes: number }>();
  let packOffset = 0;
  for (const [i, [sha256]] of distinct.entries()) {
    const packSizeBytes = packed[i]?.length ?? 0;
    places.set(sha256, { packOffset, packSizeBytes });
    packOffset += packSizeBytes;
  }
  const chunks = pieces.map(({ bytes, sha256 }): Chunk => {
    const { packOffset = 0, packSizeBytes = 0 } = places.get(sha256) ?? {};
    return { sha256, sizeBytes: bytes.length, packOffset, packSizeBytes };
  });
  const index = { version, coreSha256: sha256Of(core), coreSizeBytes: core.length, chunks };
  return { index, pack: Buffer.concat(packed) };
}

async function compressAll(pieces: readonly Uint8Array[], level: number): Promise<Uint8Array[]> {
  const packed: Uint8Array[] = new Array(pieces.length);
  const params = { [constants.ZSTD_c_compressionLevel]: level };
  let next = 0;
  const work = async () => {
    for (let i = next++; i < pieces.length; i = next++) {
      packed[i] = await compress(pieces[i] as Uint8Array, { params });
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  return packed;
}
