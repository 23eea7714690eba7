/**
 * One segment file: two copies of its head in different sectors, then batches. The head is durable before the first
 * batch is written, and says where the segment before it ends: everything up to there was synced.
 *
 * Head: "MYCELOG1", u32 CRC-32 of the rest, u32 zero, salt (8 random bytes), u48 sequence, u32 end of the previous
 * segment (8 bytes each).
 */

import { equalBytes, utf8 } from "../../base/index.ts";
import { type LogRecord, readRecord } from "./batch.ts";
import { type Disk, type DiskFile, diskError } from "./disk.ts";

const MAGIC = utf8("MYCELOG1");
const HEAD_BYTES = 40;
const SECOND_HEAD_OFFSET = 4_096;
/** Batches start here. */
export const DATA_START = 8_192;

export interface SegmentHead {
  readonly sequence: number;
  readonly salt: Uint8Array;
  /** 0 for the first segment. */
  readonly previousEnd: number;
}

export class Segment {
  readonly head: SegmentHead;
  readonly file: DiskFile;
  readonly name: string;
  /** Where the next batch goes. */
  end = DATA_START;
  /** Everything before is known to be synced. */
  syncedUpTo = DATA_START;
  /** Records in use: entries that some group still holds. */
  liveCount = 0;
  liveBytes = 0;

  constructor(head: SegmentHead, file: DiskFile) {
    this.head = head;
    this.file = file;
    this.name = segmentName(head.sequence);
  }

  /** Creates the file and makes its head durable. */
  static create(disk: Disk, head: SegmentHead, sizeBytes: number): Segment {
    const name = segmentName(head.sequence);
    // One that is there already holds nothing: its creation failed before its head was synced.
    const file = disk.list().includes(name) ? disk.open(name) : disk.create(name);
    try {
      file.resize(sizeBytes);
      const encoded = encodeHead(head);
      file.write(encoded, 0);
      file.write(encoded, SECOND_HEAD_OFFSET);
      file.sync();
      disk.syncDirectory();
    } catch (error) {
      file.close();
      throw error;
    }
    return new Segment(head, file);
  }

  /** Reads one record. Null when it is damaged. */
  readRecord(offset: number, sizeBytes: number): LogRecord | null {
    return readRecord(this.readBytes(offset, sizeBytes), offset);
  }

  readBytes(offset: number, sizeBytes: number): Uint8Array {
    try {
      return this.file.read(offset, sizeBytes);
    } catch (error) {
      throw diskError("read the log", error);
    }
  }
}

export function segmentName(sequence: number): string {
  return `${String(sequence).padStart(10, "0")}.log`;
}

/** The sequence number in a segment's file name; null for other files. */
export function sequenceOfName(name: string): number | null {
  const match = /^(\d{10})\.log$/.exec(name);
  return match === null ? null : Number(match[1]);
}

/** The head of a segment's bytes, from whichever copy is whole; null when both are damaged. */
export function readHead(bytes: Uint8Array): SegmentHead | null {
  return decodeHead(bytes, 0) ?? decodeHead(bytes, SECOND_HEAD_OFFSET);
}

function encodeHead(head: SegmentHead): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC, 0);
  bytes.set(head.salt, 16);
  view.setBigUint64(24, BigInt(head.sequence), true);
  view.setBigUint64(32, BigInt(head.previousEnd), true);
  view.setUint32(8, Bun.hash.crc32(bytes.subarray(12)), true);
  return bytes;
}

function decodeHead(segment: Uint8Array, offset: number): SegmentHead | null {
  if (segment.length < offset + HEAD_BYTES) return null;
  const bytes = segment.slice(offset, offset + HEAD_BYTES);
  const view = new DataView(bytes.buffer);
  if (!equalBytes(bytes.subarray(0, 8), MAGIC)) return null;
  if (view.getUint32(8, true) !== Bun.hash.crc32(bytes.subarray(12))) return null;
  return {
    sequence: Number(view.getBigUint64(24, true)),
    salt: bytes.slice(16, 24),
    previousEnd: Number(view.getBigUint64(32, true)),
  };
}
