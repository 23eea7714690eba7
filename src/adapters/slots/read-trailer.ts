/** What a shipped file on disk says of itself. */

import { open } from "node:fs/promises";
import {
  parseShippedTrailer,
  type ShippedTrailer,
  TRAILER_SIZE_BYTES,
} from "../../domain/update/index.ts";
import { readExactly } from "./part-file.ts";

/**
 * Null for a file that cannot be read, or is no shipped file. The place is counted from the file's size: the runtime's
 * own `Bun.file(path).slice(-4096)` reads the beginning.
 */
export async function readTrailer(path: string): Promise<ShippedTrailer | null> {
  try {
    const file = await open(path, "r");
    try {
      const { size } = await file.stat();
      const offset = Math.max(0, size - TRAILER_SIZE_BYTES);
      const bytes = await readExactly(file, offset, TRAILER_SIZE_BYTES);
      return bytes === null ? null : parseShippedTrailer(bytes);
    } finally {
      await file.close();
    }
  } catch {
    return null;
  }
}
