/**
 * One group in two views. The logical view is what callers have asked for so far and can read: the entries that
 * are not yet in the stream are all in the cache. The stream view is what batches up to the last one encoded hold.
 */

import { asLogIndex, assert, asTerm, type GroupId, type Term } from "../../base/index.ts";
import type { HardState, LogEntry, SnapshotMeta } from "../../ports/index.ts";
import type { GroupState } from "./batch.ts";
import type { GroupMetadata, StreamPosition } from "./metadata.ts";
import type { PositionList } from "./position-list.ts";

/** What a cached entry costs beside its payload. */
const ENTRY_OVERHEAD_BYTES = 96;

export class LoggedGroup {
  readonly id: GroupId;
  snapshot: SnapshotMeta;
  lastIndex: number;
  readonly stream: GroupStream;
  /** Entries from `#cachedFrom` to `lastIndex`. */
  #cached: LogEntry[] = [];
  #cachedFrom: number;
  cachedBytes = 0;
  /** Entries from this index on are not in the stream yet: they stay in the cache. */
  unwrittenFrom = Number.POSITIVE_INFINITY;

  constructor(stream: GroupStream) {
    this.id = stream.id;
    this.stream = stream;
    this.snapshot = stream.snapshot;
    this.lastIndex = stream.lastIndex;
    this.#cachedFrom = this.lastIndex + 1;
  }

  /** Replaces the log from the first entry's index on. */
  put(entries: readonly LogEntry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    assert(
      first.index > this.snapshot.index && first.index <= this.lastIndex + 1,
      `entry ${first.index} of ${this.id} does not follow the log, which ends at ${this.lastIndex}`,
    );
    this.#truncateFrom(first.index);
    for (const entry of entries) {
      assert(entry.index === this.lastIndex + 1, "entries are not consecutive", this.id);
      this.#cached.push(entry);
      this.cachedBytes += costBytes(entry);
      this.lastIndex++;
    }
    this.unwrittenFrom = Math.min(this.unwrittenFrom, first.index);
  }

  compact(snapshot: SnapshotMeta): void {
    this.snapshot = snapshot;
    if (snapshot.index >= this.lastIndex) this.#clear(snapshot.index);
    else this.#evictBelow(snapshot.index + 1);
  }

  reset(snapshot: SnapshotMeta): void {
    this.snapshot = snapshot;
    this.#clear(snapshot.index);
  }

  /** Entries from here on are in the cache; `lastIndex` + 1 when none is. */
  get cachedFrom(): number {
    return this.#cachedFrom;
  }

  cachedRange(from: number, last: number): readonly LogEntry[] {
    return this.#cached.slice(from - this.#cachedFrom, last + 1 - this.#cachedFrom);
  }

  cachedAt(index: number): LogEntry | undefined {
    return this.#cached[index - this.#cachedFrom];
  }

  termOf(index: number): Term | null {
    if (index === this.snapshot.index) return this.snapshot.term;
    if (index < this.snapshot.index || index > this.lastIndex) return null;
    const term = this.cachedAt(index)?.term ?? this.stream.positions.termAt(index);
    return term === null ? null : asTerm(term);
  }

  /** Drops the oldest cached entries that the stream holds, until `sizeBytes` are won or none is left. */
  evict(sizeBytes: number): void {
    const goal = this.cachedBytes - sizeBytes;
    let below = this.#cachedFrom;
    let left = this.cachedBytes;
    while (left > goal && below < this.unwrittenFrom && below <= this.lastIndex) {
      const entry = this.cachedAt(below);
      if (entry === undefined) break;
      left -= costBytes(entry);
      below++;
    }
    this.#evictBelow(below);
  }

  #evictBelow(index: number): void {
    const count = Math.min(Math.max(0, index - this.#cachedFrom), this.#cached.length);
    for (const entry of this.#cached.splice(0, count)) this.cachedBytes -= costBytes(entry);
    this.#cachedFrom += count;
    if (this.#cached.length === 0) this.#cachedFrom = this.lastIndex + 1;
  }

  #truncateFrom(index: number): void {
    if (index > this.lastIndex) return;
    const kept = Math.max(0, index - this.#cachedFrom);
    for (const entry of this.#cached.splice(kept)) this.cachedBytes -= costBytes(entry);
    this.lastIndex = index - 1;
    if (this.#cached.length === 0) this.#cachedFrom = index;
  }

  #clear(lastIndex: number): void {
    this.#cached = [];
    this.cachedBytes = 0;
    this.lastIndex = lastIndex;
    this.#cachedFrom = lastIndex + 1;
    this.unwrittenFrom = Number.POSITIVE_INFINITY;
  }
}

export class GroupStream {
  readonly id: GroupId;
  readonly number: number;
  hardState: HardState;
  snapshot: SnapshotMeta;
  since: StreamPosition;
  damagedUpTo: number | null;
  readonly positions: PositionList;
  replaceCount: number;
  replacedFrom: number;

  constructor(
    metadata: GroupMetadata,
    positions: PositionList,
    replaceCount: number,
    replacedFrom: number,
  ) {
    this.id = metadata.group;
    this.number = metadata.number;
    this.hardState = metadata.hardState;
    this.snapshot = metadata.snapshot;
    this.since = metadata.since;
    this.damagedUpTo = metadata.damagedUpTo;
    this.positions = positions;
    this.replaceCount = replaceCount;
    this.replacedFrom = replacedFrom;
  }

  get lastIndex(): number {
    return this.positions.last;
  }

  /** The stream drops the entries from `index` on. */
  replaceFrom(index: number): void {
    this.positions.truncateFrom(index);
    this.replaceCount++;
    this.replacedFrom = index;
  }

  state(): GroupState {
    const { number, lastIndex, replaceCount, replacedFrom } = this;
    return { number, lastIndex, replaceCount, replacedFrom };
  }

  metadata(): GroupMetadata {
    return {
      group: this.id,
      number: this.number,
      hardState: this.hardState,
      snapshot: this.snapshot,
      since: this.since,
      damagedUpTo: this.damagedUpTo === null ? null : asLogIndex(this.damagedUpTo),
    };
  }
}

function costBytes(entry: LogEntry): number {
  return entry.payload.length + ENTRY_OVERHEAD_BYTES;
}
