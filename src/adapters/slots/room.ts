/** Whether the disk holds one more core. */

import { statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { formatSizeBytes, MyceliumError } from "../../base/index.ts";

/** For the record, metadata and an index beside the core. */
const MARGIN_SIZE_BYTES = 8 * 1_048_576;
/** Of `stat.blocks`, whatever the file system. */
const BLOCK_SIZE_BYTES = 512;

export interface Room {
  readonly freeBytes: number;
  readonly neededBytes: number;
}

/** `reserveBytes` stay free; what a file left half done holds already is not needed twice. */
export async function roomFor(
  directory: string,
  sizeBytes: number,
  partPath: string,
  reserveBytes: number,
): Promise<Room> {
  const { bavail, bsize } = await statfs(directory);
  const part = statSync(partPath, { throwIfNoEntry: false });
  const held = Math.min(sizeBytes, (part?.blocks ?? 0) * BLOCK_SIZE_BYTES);
  return {
    freeBytes: bavail * bsize,
    neededBytes: sizeBytes - held + MARGIN_SIZE_BYTES + reserveBytes,
  };
}

export function noRoom(version: string, directory: string, room: Room): MyceliumError {
  return new MyceliumError(
    "DISK_FULL",
    `Cannot stage version ${version}: found ${formatSizeBytes(room.freeBytes)} free in ${directory}, needed ` +
      `${formatSizeBytes(room.neededBytes)} (DISK_RESERVE included); free some space`,
    { details: { freeBytes: room.freeBytes, neededBytes: room.neededBytes } },
  );
}
