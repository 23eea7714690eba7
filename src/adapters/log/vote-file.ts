/**
 * The metadata in a small file with two slots that are written in turns: while one is written, the other holds.
 * Slot: u32 CRC-32 of the rest, u32 length, metadata. The file has its full size from the start, so that a vote
 * never fails for want of room.
 */

import { MyceliumError } from "../../base/index.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { decodeMetadata, encodeMetadata, type LogMetadata } from "./metadata.ts";

const NAME = "votes";
const SLOT_BYTES = 256 * 1_024;
const HEAD_BYTES = 8;

export class VoteFile {
  readonly #file: DiskFile;
  /** The slot that holds the newest metadata: never the next one to be written. */
  #newestSlot: number;
  /** What the file held when opened; null when it is new. */
  readonly found: LogMetadata | null;

  private constructor(file: DiskFile, found: LogMetadata | null, newestSlot: number) {
    this.#file = file;
    this.found = found;
    this.#newestSlot = newestSlot;
  }

  /** Throws STATE_CORRUPT when there is a file and both slots are damaged, or segments but no file. */
  static open(disk: Disk, hasSegments: boolean): VoteFile {
    if (!disk.list().includes(NAME)) {
      if (hasSegments) throw votesLost("the file of votes is gone, the log is there");
      return new VoteFile(create(disk), null, 0);
    }
    const file = disk.open(NAME);
    const slots = [0, SLOT_BYTES].map((offset) => readSlot(file.read(offset, SLOT_BYTES)));
    const found = slots.reduce(newer, null);
    // All zeros: no vote was ever written to it.
    const isNew = found === null && isZero(file.read(0, 2 * SLOT_BYTES));
    if (found === null && !isNew) {
      file.close();
      throw votesLost("both copies of the votes are damaged");
    }
    if (isNew) fillWithZeros(file, disk);
    return new VoteFile(file, found, found !== null && found === slots[1] ? 1 : 0);
  }

  write(metadata: LogMetadata): void {
    const slot = 1 - this.#newestSlot;
    this.#file.write(encodeSlot(metadata), slot * SLOT_BYTES);
    this.#file.sync();
    this.#newestSlot = slot;
  }

  async writeThreaded(metadata: LogMetadata): Promise<void> {
    const slot = 1 - this.#newestSlot;
    await this.#file.writeThreaded(encodeSlot(metadata), slot * SLOT_BYTES);
    await this.#file.syncThreaded();
    this.#newestSlot = slot;
  }

  close(): void {
    this.#file.close();
  }
}

export function newer(a: LogMetadata | null, b: LogMetadata | null): LogMetadata | null {
  if (a === null || b === null) return a ?? b;
  return b.sequence > a.sequence ? b : a;
}

export function votesLost(found: string): MyceliumError {
  return new MyceliumError(
    "STATE_CORRUPT",
    `Cannot open the log: ${found}, so this node could vote twice in one term; ` +
      "wipe its state and let it join again",
  );
}

function create(disk: Disk): DiskFile {
  const file = disk.create(NAME);
  fillWithZeros(file, disk);
  return file;
}

function fillWithZeros(file: DiskFile, disk: Disk): void {
  file.write(new Uint8Array(2 * SLOT_BYTES), 0);
  file.sync();
  disk.syncDirectory();
}

function encodeSlot(metadata: LogMetadata): Uint8Array {
  const body = encodeMetadata(metadata);
  if (HEAD_BYTES + body.length > SLOT_BYTES) {
    throw new MyceliumError("TOO_LARGE", "Cannot write votes: too many groups on this node");
  }
  const slot = new Uint8Array(HEAD_BYTES + body.length);
  const view = new DataView(slot.buffer);
  view.setUint32(4, body.length, true);
  slot.set(body, HEAD_BYTES);
  view.setUint32(0, Bun.hash.crc32(slot.subarray(4)), true);
  return slot;
}

function readSlot(slot: Uint8Array): LogMetadata | null {
  if (slot.length < HEAD_BYTES) return null;
  const view = new DataView(slot.buffer, slot.byteOffset);
  const length = view.getUint32(4, true);
  if (length === 0 || length > slot.length - HEAD_BYTES) return null;
  const end = HEAD_BYTES + length;
  if (view.getUint32(0, true) !== Bun.hash.crc32(slot.subarray(4, end))) return null;
  return decodeMetadata(slot.subarray(HEAD_BYTES, end));
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}
