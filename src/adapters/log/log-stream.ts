/**
 * Turns operations into batches: applies them to the stream view of the groups and encodes what the disk gets.
 * Invariant: a batch's header holds the state of all groups before it, its records lead to the state after it.
 */

import { asLogIndex, asTerm, type GroupId, MyceliumError } from "../../base/index.ts";
import type { LogEntry } from "../../ports/index.ts";
import {
  BATCH_HEAD_BYTES,
  BatchWriter,
  entryOfRecord,
  GROUP_STATE_BYTES,
  type GroupState,
  RECORD_HEAD_BYTES,
} from "./batch.ts";
import type { GroupStream } from "./logged-group.ts";
import { encodeMetadata, type LogMetadata } from "./metadata.ts";
import type { Change, Move, Operation, StreamWrite } from "./operation.ts";
import type { Position } from "./position-list.ts";
import type { Segment } from "./segment.ts";
import type { SegmentTable } from "./segment-table.ts";

export interface PlannedBatch {
  readonly operations: readonly Operation[];
  readonly segment: Segment;
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** What the vote file gets as well; null when no vote or snapshot changed. */
  readonly metadata: LogMetadata | null;
  /** Entries that have another place once the batch is durable; until then they are read at the old one. */
  readonly moved: readonly MovedPlace[];
}

interface MovedPlace {
  readonly stream: GroupStream;
  readonly index: number;
  readonly from: Position;
  readonly to: Position;
}

interface MovedEntry {
  readonly stream: GroupStream;
  readonly from: Position;
  readonly entry: LogEntry;
}

const NO_INDEX = asLogIndex(0);
const NO_TERM = asTerm(0);

export class LogStream {
  readonly #segments: SegmentTable;
  readonly #streams = new Map<number, GroupStream>();
  #metadataSequence: number;
  #metadataSequenceSynced: number;
  #nextNumber: number;
  #metadataIsDirty = false;

  constructor(
    segments: SegmentTable,
    metadata: LogMetadata | null,
    streams: Iterable<GroupStream>,
  ) {
    this.#segments = segments;
    this.#metadataSequence = metadata?.sequence ?? 0;
    this.#metadataSequenceSynced = this.#metadataSequence;
    this.#nextNumber = metadata?.nextNumber ?? 1;
    for (const stream of streams) this.#streams.set(stream.number, stream);
  }

  takeNumber(): number {
    return this.#nextNumber++;
  }

  /**
   * Plans one batch of operations: writes, or a single other one. Throws, and has changed nothing, when a segment
   * that is needed cannot be created.
   */
  plan(operations: readonly Operation[]): PlannedBatch {
    const changes = operations.map((operation) => operation.change);
    const before = this.#segments.current;
    let sizeBytes = 0;
    for (const change of changes) sizeBytes += sizeOf(change);
    const segment = this.#segments.forBatch(sizeBytes);
    const states = this.#states();
    const moved = changes.flatMap((change) => this.#readMoves(change));
    for (const change of changes) this.#applyMetadata(change, segment);
    const changed = this.#metadataIsDirty;
    if (changed) this.#metadataSequence++;
    this.#metadataIsDirty = false;
    const metadata = changed || segment !== before ? this.#metadata() : null;
    const body = metadata === null ? null : encodeMetadata(metadata);
    const writes = changes.flatMap(writesOf);
    const { bytes, places } = this.#encode(segment, states, { writes, moved, metadata: body });
    return {
      operations,
      segment,
      offset: segment.end,
      bytes,
      metadata: changed ? metadata : null,
      moved: places,
    };
  }

  /** A batch without records, which says what is synced. */
  marker(segment: Segment): Uint8Array {
    return this.#encode(segment, this.#states(), { writes: [], moved: [], metadata: null }).bytes;
  }

  /** The batch is durable. */
  synced(batch: PlannedBatch): void {
    const { segment, metadata } = batch;
    segment.end = batch.offset + batch.bytes.length;
    segment.syncedUpTo = segment.end;
    if (metadata !== null) this.#metadataSequenceSynced = metadata.sequence;
    for (const each of batch.moved) this.#take(each);
    for (const stream of this.#streams.values()) this.#forgetHealedDamage(stream);
  }

  /** The entries that keep `segment` alive. */
  movesOutOf(segment: Segment): readonly Move[] {
    const moves: Move[] = [];
    for (const stream of this.#streams.values()) {
      for (let index = stream.positions.first; index <= stream.lastIndex; index++) {
        const from = stream.positions.at(index);
        if (from?.segment === segment.head.sequence) moves.push({ stream, index, from });
      }
    }
    return moves;
  }

  /**
   * What was lost has come back from leaders, and a leader has whatever was acknowledged: from here on the replica
   * may be trusted again, also after a restart.
   */
  #forgetHealedDamage(stream: GroupStream): void {
    if (stream.damagedUpTo === null || stream.lastIndex < stream.damagedUpTo) return;
    stream.damagedUpTo = null;
    this.#metadataIsDirty = true;
  }

  #states(): readonly GroupState[] {
    return Array.from(this.#streams.values(), (stream) => stream.state());
  }

  #metadata(): LogMetadata {
    return {
      sequence: this.#metadataSequence,
      nextNumber: this.#nextNumber,
      groups: Array.from(this.#streams.values(), (stream) => stream.metadata()),
    };
  }

  #applyMetadata(change: Change, segment: Segment): void {
    switch (change.kind) {
      case "write":
        for (const write of change.writes) this.#applyHardState(write);
        return;
      case "move":
        return;
      case "create":
        this.#streams.set(change.stream.number, change.stream);
        break;
      case "remove":
        this.#dropAll(change.stream);
        this.#streams.delete(change.stream.number);
        break;
      case "compact":
      case "reset":
        this.#cut(change, segment);
        break;
    }
    this.#metadataIsDirty = true;
  }

  #applyHardState({ stream, hardState }: StreamWrite): void {
    if (hardState === null) return;
    const { term, votedFor } = stream.hardState;
    if (hardState.term === term && hardState.votedFor === votedFor) return;
    stream.hardState = hardState;
    this.#metadataIsDirty = true;
  }

  #cut(change: Extract<Change, { kind: "compact" | "reset" }>, segment: Segment): void {
    const { stream, snapshot } = change;
    stream.snapshot = snapshot;
    if (change.kind === "reset" || snapshot.index > stream.lastIndex) {
      this.#dropAll(stream);
      stream.replaceFrom(0);
      stream.positions.dropUpTo(snapshot.index);
      stream.since = { segment: segment.head.sequence, offset: segment.end };
      return;
    }
    for (let index = stream.positions.first; index <= snapshot.index; index++) {
      this.#countOut(stream, index);
    }
    stream.positions.dropUpTo(snapshot.index);
  }

  #dropAll(stream: GroupStream): void {
    for (let i = stream.positions.first; i <= stream.lastIndex; i++) this.#countOut(stream, i);
  }

  #countOut(stream: GroupStream, index: number): void {
    const position = stream.positions.at(index);
    if (position !== null) this.#segments.countOut(position);
  }

  #readMoves(change: Change): readonly MovedEntry[] {
    if (change.kind !== "move") return [];
    const current = change.moves.filter(({ stream, index, from }) =>
      isSamePlace(stream.positions.at(index), from),
    );
    return current.map(({ stream, index, from }) => {
      const record = this.#segments.at(from.segment).readRecord(from.offset, from.sizeBytes);
      if (record === null) throw damagedOnReading(stream.id, index);
      return { stream, from, entry: entryOfRecord(record) };
    });
  }

  #encode(
    segment: Segment,
    states: readonly GroupState[],
    content: {
      readonly writes: readonly StreamWrite[];
      readonly moved: readonly MovedEntry[];
      readonly metadata: Uint8Array | null;
    },
  ): { readonly bytes: Uint8Array; readonly places: readonly MovedPlace[] } {
    const { writes, moved, metadata } = content;
    let sizeBytes = BATCH_HEAD_BYTES + states.length * GROUP_STATE_BYTES;
    for (const write of writes) sizeBytes += recordBytes(write.entries);
    for (const { entry } of moved) sizeBytes += recordSizeBytes(entry);
    if (metadata !== null) sizeBytes += RECORD_HEAD_BYTES + metadata.length;
    const writer = new BatchWriter(sizeBytes, segment.end, states);
    for (const write of writes) this.#addEntries(writer, segment, write);
    const places = moved.map((each) => addMoved(writer, segment, each));
    if (metadata !== null) {
      const record = { index: NO_INDEX, term: NO_TERM, kind: "noop", payload: metadata } as const;
      writer.add("metadata", 0, record);
    }
    const { salt } = segment.head;
    const bytes = writer.finish(salt, segment.syncedUpTo, this.#metadataSequenceSynced);
    return { bytes, places };
  }

  #addEntries(writer: BatchWriter, segment: Segment, { stream, entries }: StreamWrite): void {
    const first = entries[0];
    if (first === undefined) return;
    if (first.index <= stream.lastIndex) {
      for (let i = Number(first.index); i <= stream.lastIndex; i++) this.#countOut(stream, i);
      stream.replaceFrom(first.index);
    }
    const sequence = segment.head.sequence;
    for (const entry of entries) {
      const offset = writer.add("entry", stream.number, entry);
      const sizeBytes = RECORD_HEAD_BYTES + entry.payload.length;
      stream.positions.push(sequence, offset, sizeBytes, entry.term);
      this.#segments.countIn(sequence, sizeBytes);
    }
  }

  #take({ stream, index, from, to }: MovedPlace): void {
    this.#segments.countOut(from);
    this.#segments.countIn(to.segment, to.sizeBytes);
    stream.positions.fill(index, to);
  }
}

function addMoved(
  writer: BatchWriter,
  segment: Segment,
  { stream, from, entry }: MovedEntry,
): MovedPlace {
  const offset = writer.add("moved", stream.number, entry);
  const to = { ...from, segment: segment.head.sequence, offset };
  return { stream, index: entry.index, from, to };
}

/** Reading back found a checksum that is wrong: opening the log again repairs it. */
export function damagedOnReading(group: GroupId, index: number): MyceliumError {
  return new MyceliumError(
    "STATE_CORRUPT",
    `Cannot read entry ${index} of group ${group}: its checksum is wrong; ` +
      "restart the agent, which drops the damaged part and fetches it from peers",
  );
}

function writesOf(change: Change): readonly StreamWrite[] {
  return change.kind === "write" ? change.writes : [];
}

function recordBytes(entries: readonly LogEntry[]): number {
  let sizeBytes = 0;
  for (const entry of entries) sizeBytes += recordSizeBytes(entry);
  return sizeBytes;
}

function recordSizeBytes({ payload }: LogEntry): number {
  return RECORD_HEAD_BYTES + payload.length;
}

/** Near enough to choose a segment. */
function sizeOf(change: Change): number {
  switch (change.kind) {
    case "write":
      return change.writes.reduce((sum, write) => sum + recordBytes(write.entries), 0);
    case "move":
      return change.moves.reduce((sum, move) => sum + move.from.sizeBytes, 0);
    default:
      return 0;
  }
}

function isSamePlace(a: Position | null, b: Position): boolean {
  return a !== null && a.segment === b.segment && a.offset === b.offset;
}
