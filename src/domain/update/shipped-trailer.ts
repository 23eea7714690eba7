/**
 * The last 4 KiB of a shipped file: which launcher and which core it holds (native/DESIGN.md). Read to see whether a
 * release has another launcher than is installed; whoever runs the file checks its signature and hashes.
 */

import { createHash } from "node:crypto";

export const TRAILER_SIZE_BYTES = 4_096;
const SUM_OFFSET = 4_064;
const MAGIC = "MYCPAYL1";
const FORMAT = 1;

export interface ShippedTrailer {
  readonly version: string;
  readonly coreSha256: string;
  readonly launcherSha256: string;
}

/** Null for bytes that are no whole trailer of a format that is known. */
export function parseShippedTrailer(bytes: Uint8Array): ShippedTrailer | null {
  if (bytes.length !== TRAILER_SIZE_BYTES) return null;
  const trailer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const sum = createHash("sha256").update(trailer.subarray(0, SUM_OFFSET)).digest();
  const isWhole = sum.equals(trailer.subarray(SUM_OFFSET));
  if (!isWhole || trailer.toString("latin1", 0, 8) !== MAGIC) return null;
  if (trailer.readUInt32LE(8) !== FORMAT) return null;
  return {
    version: trailer.toString("latin1", 112, 144).replace(/\0+$/, ""),
    coreSha256: trailer.toString("hex", 48, 80),
    launcherSha256: trailer.toString("hex", 144, 176),
  };
}
