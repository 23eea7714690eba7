/**
 * A batch is what one write and one sync put into a segment: a header, then records. All numbers are little-endian.
 *
 * Header: salt of the segment (8 bytes), u32 CRC-32 of the rest of the header, u32 header size, u32 batch size,
 * u32 record count, u32 own offset, u32 offset up to which the segment was known synced, u48 sequence of the newest
 * synced metadata (in 8 bytes), u32 group count, 4 zeros, then per group its state before the batch (24 bytes):
 * u32 number, u32 replace count, u48 last index, u48 replaced from.
 *
 * Record: u32 CRC-32 of the rest, u32 payload size, u8 type, u8 kind, u16 group, u32 own offset, u48 index, u48 term
 * (8 bytes each), payload.
 *
 * A batch without records is a marker: it only says what is synced.
 */

import { asLogIndex, assert, asTerm } from "../../base/index.ts";
import type { EntryKind, LogEntry } from "../../ports/index.ts";

/**
 * Batches start and end at multiples of this, filled up with zeros: a sector that is torn while a batch is written
 * holds no byte of the batch before.
 */
const BATCH_ALIGNMENT_BYTES = 512;
export const BATCH_HEAD_BYTES = 48;
export const GROUP_STATE_BYTES = 24;
export const RECORD_HEAD_BYTES = 32;

/** `entry` replaces the group's log from its index on, `moved` only its own earlier copy. */
export type RecordType = "entry" | "moved" | "metadata";
const TYPES: readonly RecordType[] = ["entry", "moved", "metadata"];
const KINDS: readonly EntryKind[] = ["noop", "configuration", "command"];

/** Where a group's log stood. Two states with one replace count differ by appended entries only. */
export interface GroupState {
  readonly number: number;
  readonly lastIndex: number;
  /** How many times existing entries were replaced or dropped from the end. */
  readonly replaceCount: number;
  /** The index from which the last such replacement went. */
  readonly replacedFrom: number;
}

export interface BatchHead {
  readonly offset: number;
  readonly headSizeBytes: number;
  readonly sizeBytes: number;
  readonly recordCount: number;
  readonly syncedUpTo: number;
  readonly metadataSequence: number;
  readonly groups: readonly GroupState[];
}

export interface LogRecord {
  readonly type: RecordType;
  readonly kind: EntryKind;
  readonly group: number;
  readonly offset: number;
  readonly sizeBytes: number;
  readonly index: number;
  readonly term: number;
  /** A view into what was decoded. */
  readonly payload: Uint8Array;
}

/** Encodes one batch into a buffer of the exact size, for one place in one segment. */
export class BatchWriter {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #base: number;
  #at: number;
  #recordCount = 0;

  constructor(sizeBytes: number, offset: number, groups: readonly GroupState[]) {
    const alignedCount = Math.ceil(sizeBytes / BATCH_ALIGNMENT_BYTES);
    this.bytes = new Uint8Array(alignedCount * BATCH_ALIGNMENT_BYTES);
    this.#view = new DataView(this.bytes.buffer);
    this.#base = offset;
    this.#at = BATCH_HEAD_BYTES + groups.length * GROUP_STATE_BYTES;
    this.#view.setUint32(40, groups.length, true);
    groups.forEach((group, i) => {
      const at = BATCH_HEAD_BYTES + i * GROUP_STATE_BYTES;
      this.#view.setUint32(at, group.number, true);
      this.#view.setUint32(at + 4, group.replaceCount, true);
      this.#put48(at + 8, group.lastIndex);
      this.#put48(at + 16, group.replacedFrom);
    });
  }

  /** Adds a record; returns its offset in the segment. */
  add(
    type: RecordType,
    group: number,
    entry: Pick<LogEntry, "index" | "term" | "kind" | "payload">,
  ): number {
    const at = this.#at;
    const sizeBytes = RECORD_HEAD_BYTES + entry.payload.length;
    this.#view.setUint32(at + 4, entry.payload.length, true);
    this.#view.setUint8(at + 8, TYPES.indexOf(type));
    this.#view.setUint8(at + 9, KINDS.indexOf(entry.kind));
    this.#view.setUint16(at + 10, group, true);
    this.#view.setUint32(at + 12, this.#base + at, true);
    this.#put48(at + 16, entry.index);
    this.#put48(at + 24, entry.term);
    this.bytes.set(entry.payload, at + RECORD_HEAD_BYTES);
    const checksum = Bun.hash.crc32(this.bytes.subarray(at + 4, at + sizeBytes));
    this.#view.setUint32(at, checksum, true);
    this.#at += sizeBytes;
    this.#recordCount++;
    return this.#base + at;
  }

  finish(salt: Uint8Array, syncedUpTo: number, metadataSequence: number): Uint8Array {
    const spareBytes = this.bytes.length - this.#at;
    assert(spareBytes < BATCH_ALIGNMENT_BYTES, "a batch has the size it was planned with");
    const headSizeBytes = BATCH_HEAD_BYTES + this.#view.getUint32(40, true) * GROUP_STATE_BYTES;
    this.bytes.set(salt, 0);
    this.#view.setUint32(12, headSizeBytes, true);
    this.#view.setUint32(16, this.bytes.length, true);
    this.#view.setUint32(20, this.#recordCount, true);
    this.#view.setUint32(24, this.#base, true);
    this.#view.setUint32(28, syncedUpTo, true);
    this.#put48(32, metadataSequence);
    this.#view.setUint32(8, Bun.hash.crc32(this.bytes.subarray(12, headSizeBytes)), true);
    return this.bytes;
  }

  #put48(at: number, value: number): void {
    this.#view.setUint32(at, value % 0x1_0000_0000, true);
    this.#view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
  }
}

/** The batch header at `offset` of a segment's bytes; null when there is none or it is damaged. */
export function readBatchHead(
  segment: Uint8Array,
  offset: number,
  salt: Uint8Array,
): BatchHead | null {
  if (offset + BATCH_HEAD_BYTES > segment.length) return null;
  for (let i = 0; i < salt.length; i++) if (segment[offset + i] !== salt[i]) return null;
  const view = new DataView(segment.buffer, segment.byteOffset + offset);
  const headSizeBytes = view.getUint32(12, true);
  const groupCount = view.getUint32(40, true);
  const sizeBytes = view.getUint32(16, true);
  const fits =
    headSizeBytes === BATCH_HEAD_BYTES + groupCount * GROUP_STATE_BYTES &&
    headSizeBytes <= sizeBytes &&
    offset + sizeBytes <= segment.length &&
    view.getUint32(24, true) === offset;
  if (!fits) return null;
  const checked = segment.subarray(offset + 12, offset + headSizeBytes);
  if (view.getUint32(8, true) !== Bun.hash.crc32(checked)) return null;
  const groups = Array.from({ length: groupCount }, (_, i) => readGroupState(view, i));
  return {
    offset,
    headSizeBytes,
    sizeBytes,
    recordCount: view.getUint32(20, true),
    syncedUpTo: view.getUint32(28, true),
    metadataSequence: get48(view, 32),
    groups,
  };
}

/** The records of a batch; null when one is damaged. */
export function readRecords(segment: Uint8Array, head: BatchHead): readonly LogRecord[] | null {
  const records: LogRecord[] = [];
  const end = head.offset + head.sizeBytes;
  let at = head.offset + head.headSizeBytes;
  for (let i = 0; i < head.recordCount; i++) {
    const record = readRecord(segment.subarray(at, end), at);
    if (record === null) return null;
    records.push(record);
    at += record.sizeBytes;
  }
  return end - at < BATCH_ALIGNMENT_BYTES ? records : null;
}

/** The record at the start of `bytes`, which lie at `offset` of a segment; null when it is damaged. */
export function readRecord(bytes: Uint8Array, offset: number): LogRecord | null {
  if (bytes.length < RECORD_HEAD_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const sizeBytes = RECORD_HEAD_BYTES + view.getUint32(4, true);
  if (sizeBytes > bytes.length || view.getUint32(12, true) !== offset) return null;
  if (view.getUint32(0, true) !== Bun.hash.crc32(bytes.subarray(4, sizeBytes))) return null;
  const type = TYPES[view.getUint8(8)];
  const kind = KINDS[view.getUint8(9)];
  if (type === undefined || kind === undefined) return null;
  return {
    type,
    kind,
    group: view.getUint16(10, true),
    offset,
    sizeBytes,
    index: get48(view, 16),
    term: get48(view, 24),
    payload: bytes.subarray(RECORD_HEAD_BYTES, sizeBytes),
  };
}

export function entryOfRecord(record: LogRecord): LogEntry {
  const { index, term, kind, payload } = record;
  return { index: asLogIndex(index), term: asTerm(term), kind, payload };
}

function readGroupState(view: DataView, ordinal: number): GroupState {
  const at = BATCH_HEAD_BYTES + ordinal * GROUP_STATE_BYTES;
  return {
    number: view.getUint32(at, true),
    replaceCount: view.getUint32(at + 4, true),
    lastIndex: get48(view, at + 8),
    replacedFrom: get48(view, at + 16),
  };
}

function get48(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;
}
