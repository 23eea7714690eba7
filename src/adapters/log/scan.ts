/**
 * Reads segments back in order and finds, per group, which entries are there and which must have been: every batch
 * header says where each group's log stood before it, so whatever a damaged batch held shows as missing.
 */

import type { BatchHead, GroupState, LogRecord } from "./batch.ts";
import { readBatchHead, readRecords } from "./batch.ts";
import { decodeMetadata, type LogMetadata } from "./metadata.ts";
import { PositionList } from "./position-list.ts";
import { DATA_START, type SegmentHead } from "./segment.ts";
import { newer } from "./vote-file.ts";

/** What the stream tells of one group. */
export class ScannedGroup {
  readonly positions: PositionList;
  replaceCount = 0;

  constructor(first: number) {
    this.positions = new PositionList(first);
  }

  /** Compares with what a later header knows, and marks what is missing. */
  reconcile(known: GroupState): void {
    const lost = known.replaceCount - this.replaceCount;
    // More than one replacement lost: nothing before is known to be still there.
    if (lost !== 0) this.positions.truncateFrom(lost === 1 ? known.replacedFrom : 0);
    if (this.positions.last > known.lastIndex) this.positions.truncateFrom(known.lastIndex + 1);
    this.#extendTo(known.lastIndex);
    this.replaceCount = known.replaceCount;
  }

  add(record: LogRecord, segment: number): void {
    const { index, offset, sizeBytes, term } = record;
    if (record.type === "moved") {
      if (index <= this.positions.last) {
        this.positions.fill(index, { segment, offset, sizeBytes, term });
      }
      return;
    }
    if (index <= this.positions.last) {
      this.positions.truncateFrom(index);
      this.replaceCount++;
    }
    this.#extendTo(index - 1);
    this.positions.push(segment, offset, sizeBytes, term);
  }

  #extendTo(last: number): void {
    const empty = this.positions.last < this.positions.first;
    if (empty && this.positions.last < last) this.positions.dropUpTo(last);
    else this.positions.pushMissing(last);
  }
}

export class LogScan {
  readonly groups = new Map<number, ScannedGroup>();
  metadata: LogMetadata | null = null;
  /** The newest metadata that is known to have been synced. */
  metadataSequenceSynced = 0;
  /** Segments in which synced bytes were damaged. */
  readonly damagedSegments: number[] = [];
  /** Where some batch of the segment read last knew it to be synced up to. */
  knownSyncedUpTo = DATA_START;

  /**
   * Reads one segment. `knownEnd` is where the next one says it ends; null for the last, whose end is found: the
   * first batch that is not whole and was not known to be synced. Returns the end.
   */
  readSegment(bytes: Uint8Array, head: SegmentHead, knownEnd: number | null): number {
    const { salt } = head;
    this.knownSyncedUpTo = DATA_START;
    const limit = knownEnd ?? bytes.length;
    let synced = knownEnd;
    let at = DATA_START;
    while (at < limit) {
      const sizeBytes = this.#readBatch(bytes, at, head);
      if (sizeBytes > 0) {
        at += sizeBytes;
        continue;
      }
      synced ??= highestSynced(bytes, at, salt);
      if (at >= synced) break;
      if (this.damagedSegments.at(-1) !== head.sequence) this.damagedSegments.push(head.sequence);
      at = nextBatch(bytes, at + 1, limit, salt)?.offset ?? limit;
    }
    return at;
  }

  /** Takes in the batch at `offset`; returns its size, 0 when it is not whole. */
  #readBatch(bytes: Uint8Array, offset: number, segment: SegmentHead): number {
    const head = readBatchHead(bytes, offset, segment.salt);
    const records = head === null ? null : readRecords(bytes, head);
    if (head === null || records === null) return 0;
    this.knownSyncedUpTo = Math.max(this.knownSyncedUpTo, head.syncedUpTo);
    this.metadataSequenceSynced = Math.max(this.metadataSequenceSynced, head.metadataSequence);
    for (const known of head.groups)
      this.#group(known.number, known.lastIndex + 1).reconcile(known);
    for (const record of records) {
      if (record.type === "metadata") {
        this.metadata = newer(this.metadata, decodeMetadata(record.payload));
      } else {
        this.#group(record.group, record.index).add(record, segment.sequence);
      }
    }
    return head.sizeBytes;
  }

  #group(number: number, first: number): ScannedGroup {
    let group = this.groups.get(number);
    if (group === undefined) {
      group = new ScannedGroup(first);
      this.groups.set(number, group);
    }
    return group;
  }
}

/** The highest offset that a batch header behind `from` knows to be synced. */
function highestSynced(bytes: Uint8Array, from: number, salt: Uint8Array): number {
  let synced = 0;
  let batch = nextBatch(bytes, from, bytes.length, salt);
  while (batch !== null) {
    synced = Math.max(synced, batch.syncedUpTo);
    batch = nextBatch(bytes, batch.offset + 1, bytes.length, salt);
  }
  return synced;
}

/** The first whole batch header from `from` on. The random salt keeps payloads from looking like one. */
function nextBatch(
  bytes: Uint8Array,
  from: number,
  limit: number,
  salt: Uint8Array,
): BatchHead | null {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = buffer.indexOf(salt, from);
  while (at >= 0 && at < limit) {
    const head = readBatchHead(bytes, at, salt);
    if (head !== null) return head;
    at = buffer.indexOf(salt, at + 1);
  }
  return null;
}
