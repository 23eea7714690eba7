/** Reads entries back from segments, checksums checked, many at a time where they lie together. */

import type { LogEntry } from "../../ports/index.ts";
import { entryOfRecord, readRecord } from "./batch.ts";
import { damagedOnReading } from "./log-stream.ts";
import type { GroupStream } from "./logged-group.ts";
import type { Position } from "./position-list.ts";
import type { SegmentTable } from "./segment-table.ts";

/** One read covers at most this much, or one record. */
const READ_BYTES_MAX = 256 * 1_024;

/**
 * Entries from `from` on, up to `to`, as far as one read goes: at least one. Throws STATE_CORRUPT when a checksum is
 * wrong.
 */
export function readEntries(
  segments: SegmentTable,
  stream: GroupStream,
  from: number,
  to: number,
): readonly LogEntry[] {
  const positions = positionsTogether(stream, from, to);
  const first = positions[0];
  const last = positions.at(-1);
  if (first === undefined || last === undefined) throw damagedOnReading(stream.id, from);
  const segment = segments.at(first.segment);
  const bytes = segment.readBytes(first.offset, last.offset + last.sizeBytes - first.offset);
  return positions.map((position, i) => {
    const record = readRecord(bytes.subarray(position.offset - first.offset), position.offset);
    const isIt = record?.group === stream.number && record.index === from + i;
    if (record === null || !isIt) throw damagedOnReading(stream.id, from + i);
    // A copy of its own: the read buffer must not live as long as one small entry.
    return { ...entryOfRecord(record), payload: record.payload.slice() };
  });
}

/** Positions in one segment, in ascending order: moved entries can lie behind newer ones. */
function positionsTogether(stream: GroupStream, from: number, to: number): readonly Position[] {
  const together: Position[] = [];
  for (let index = from; index <= to; index++) {
    const position = stream.positions.at(index);
    if (position === null) break;
    const [first, last] = [together[0], together.at(-1)];
    if (first !== undefined && last !== undefined) {
      const spanBytes = position.offset + position.sizeBytes - first.offset;
      const isBehind = position.segment === last.segment && position.offset > last.offset;
      if (!isBehind || spanBytes > READ_BYTES_MAX) break;
    }
    together.push(position);
  }
  return together;
}
