/** Fetching a snapshot's image piece by piece, and checking its hash. */

import { createHash } from "node:crypto";
import { equalBytes, MyceliumError } from "../../base/index.ts";
import type { SnapshotInfo } from "../../ports/index.ts";

const CHUNK_SIZE_BYTES = 1_024;

export async function fetchImage(
  info: SnapshotInfo,
  readChunk: (offset: number, sizeBytes: number) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const image = new Uint8Array(info.sizeBytes);
  for (let offset = 0; offset < image.length; ) {
    const chunk = await readChunk(offset, Math.min(CHUNK_SIZE_BYTES, image.length - offset));
    if (chunk.length === 0) break;
    image.set(chunk, offset);
    offset += chunk.length;
  }
  if (!equalBytes(sha256(image), info.sha256)) {
    throw new MyceliumError("MALFORMED", `Cannot install snapshot ${info.id}: its hash is wrong`);
  }
  return image;
}

export function sha256(content: string | Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(content).digest());
}
