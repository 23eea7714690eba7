/**
 * Content-defined chunking (FastCDC: Xia et al., USENIX ATC 2016): a file is cut where its own bytes say so, so that
 * two releases of a program share most chunks even where code has moved. The rule never changes: a node compares the
 * chunks of the core it has with an index that the publisher made.
 */

import { assert } from "../../base/index.ts";

/** A cut is looked for from here. */
export const CHUNK_SIZE_MIN = 16 * 1_024;
export const CHUNK_SIZE_MAX = 256 * 1_024;
/** Cuts are rarer before this and more frequent after it, so that most sizes are near it. */
const CHUNK_SIZE_NORMAL = 48 * 1_024;
/** The rolling hash's high bits that are zero at a cut: its 32 bits depend on the last 32 bytes. */
const MASK_BEFORE_NORMAL = 0xffff_8000 | 0;
const MASK_AFTER_NORMAL = 0xfffc_0000 | 0;
const GEAR = gearTable();

/** What lies where in a file: the pieces of `bytes`, in order, without gaps. */
export function* chunksOf(bytes: Uint8Array): Generator<{ offset: number; sizeBytes: number }> {
  for (let offset = 0; offset < bytes.length; ) {
    const sizeBytes = chunkSizeAt(bytes, offset);
    yield { offset, sizeBytes };
    offset += sizeBytes;
  }
}

/**
 * The size of the chunk that begins at `start`. `bytes` reaches to the end of the file, or CHUNK_SIZE_MAX beyond
 * `start`: a reader of a large file passes a window of it.
 */
export function chunkSizeAt(bytes: Uint8Array, start: number): number {
  assert(start < bytes.length, "a chunk begins inside the file");
  const end = Math.min(bytes.length, start + CHUNK_SIZE_MAX);
  const normal = Math.min(end, start + CHUNK_SIZE_NORMAL);
  let hash = 0;
  let at = start + CHUNK_SIZE_MIN;
  for (; at < normal; at++) {
    hash = ((hash << 1) + (GEAR[bytes[at] as number] as number)) | 0;
    if ((hash & MASK_BEFORE_NORMAL) === 0) return at + 1 - start;
  }
  for (; at < end; at++) {
    hash = ((hash << 1) + (GEAR[bytes[at] as number] as number)) | 0;
    if ((hash & MASK_AFTER_NORMAL) === 0) return at + 1 - start;
  }
  return end - start;
}

/** 256 fixed words that look random: MurmurHash3's finaliser over a Weyl sequence. */
function gearTable(): Int32Array {
  return Int32Array.from({ length: 256 }, (_, i) => {
    let word = Math.imul(i + 1, 0x9e37_79b9);
    word = Math.imul(word ^ (word >>> 16), 0x85eb_ca6b);
    word = Math.imul(word ^ (word >>> 13), 0xc2b2_ae35);
    return word ^ (word >>> 16);
  });
}
