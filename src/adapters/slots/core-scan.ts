/**
 * Finds in a core on disk the chunks that another core is made of. PERF: reads the file once, about a second a 100 MB
 * on a small board, a megabyte at a time, so that the loop stays free; keeps one window of it in memory.
 */

import type { FileHandle } from "node:fs/promises";
import { CHUNK_SIZE_MAX, chunkSizeAt } from "../../domain/update/index.ts";

const WINDOW_SIZE_BYTES = 1_048_576;

/** Calls `found` with the bytes of every chunk whose hash is `wanted`; they are valid until it resolves. */
export async function scanCore(
  file: FileHandle,
  wanted: (sha256: string) => boolean,
  found: (sha256: string, bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  const window = new Uint8Array(WINDOW_SIZE_BYTES);
  let filled = 0;
  for (let windowStart = 0; ; ) {
    const { bytesRead } = await file.read(
      window,
      filled,
      window.length - filled,
      windowStart + filled,
    );
    filled += bytesRead;
    const isEnd = bytesRead === 0;
    const bytes = window.subarray(0, filled);
    let at = 0;
    // A chunk's end is certain only where the largest one would fit, or the file ends.
    while (at < filled && (isEnd || filled - at >= CHUNK_SIZE_MAX)) {
      const chunk = bytes.subarray(at, at + chunkSizeAt(bytes, at));
      const sha256 = sha256Of(chunk);
      if (wanted(sha256)) await found(sha256, chunk);
      at += chunk.length;
    }
    if (isEnd) return;
    window.copyWithin(0, at, filled);
    windowStart += at;
    filled -= at;
  }
}

export function sha256Of(bytes: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}
