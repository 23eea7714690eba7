/** Writes a file from chunks that a peer gives, in order, and syncs it. */

import { open } from "node:fs/promises";
import { MyceliumError } from "../../base/index.ts";

const INSTALL_CHUNK_BYTES = 1_048_576;

/** Throws MALFORMED when the peer gives too little or too much, and what `readChunk` throws. */
export async function fetchFile(
  path: string,
  sizeBytes: number,
  readChunk: (offset: number, sizeBytes: number) => Promise<Uint8Array>,
): Promise<void> {
  const handle = await open(path, "w", 0o600);
  try {
    for (let offset = 0; offset < sizeBytes; ) {
      const wanted = Math.min(INSTALL_CHUNK_BYTES, sizeBytes - offset);
      const chunk = await readChunk(offset, wanted);
      if (chunk.length === 0 || chunk.length > wanted) {
        throw new MyceliumError(
          "MALFORMED",
          `Cannot fetch the snapshot: found ${chunk.length} bytes at ${offset}, needed 1 to ${wanted}`,
        );
      }
      await handle.writeFile(chunk);
      offset += chunk.length;
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}
