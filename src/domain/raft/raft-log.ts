/**
 * A replica's log: a tail that was not yet handed out for persisting, and behind it what the durable log gives back.
 * `stableIndex` is the last entry known to be synced; an entry that was replaced is stable only once its replacement
 * is.
 */

import { assert, type LogIndex, present, type Term } from "../../base/index.ts";
import { entrySizeBytes, type LogEntry, type LogReader, type SnapshotMeta } from "./entry.ts";

const NO_ENTRIES: readonly LogEntry[] = [];

export class RaftLog {
  readonly #reader: LogReader;
  #snapshot: SnapshotMeta;
  #lastIndex: LogIndex;
  #lastTerm: Term;
  #stableIndex: LogIndex;
  /** The reader is asked only for indexes below this one. */
  #tailStart: LogIndex;
  #tail: LogEntry[] = [];

  constructor(reader: LogReader, snapshot: SnapshotMeta, lastIndex: LogIndex) {
    assert(lastIndex >= snapshot.index, `log ends at ${lastIndex}, before its snapshot`);
    this.#reader = reader;
    this.#snapshot = snapshot;
    this.#lastIndex = lastIndex;
    this.#stableIndex = lastIndex;
    this.#tailStart = next(lastIndex);
    this.#lastTerm = present(this.termOf(lastIndex), `the term of the last entry ${lastIndex}`);
  }

  get snapshot(): SnapshotMeta {
    return this.#snapshot;
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  get lastTerm(): Term {
    return this.#lastTerm;
  }

  get stableIndex(): LogIndex {
    return this.#stableIndex;
  }

  get hasTail(): boolean {
    return this.#tail.length > 0;
  }

  /** Null outside of what is held. */
  termOf(index: LogIndex): Term | null {
    if (index < this.#snapshot.index || index > this.#lastIndex) return null;
    if (index === this.#snapshot.index) return this.#snapshot.term;
    if (index >= this.#tailStart) return this.#tail[index - this.#tailStart]?.term ?? null;
    return this.#reader.termOf(index);
  }

  /** Entries from `from` to `to`, both included, at least one if there is one, then up to `sizeBytesMax`. */
  entries(from: LogIndex, to: LogIndex, sizeBytesMax: number): readonly LogEntry[] {
    const end = Math.min(to, this.#lastIndex) as LogIndex;
    if (from > end) return NO_ENTRIES;
    assert(from > this.#snapshot.index, "the entry is cut away", from);
    const stored = this.#storedEntries(from, end, sizeBytesMax);
    const resume = (from + stored.length) as LogIndex;
    if (resume < this.#tailStart || resume > end) return stored;
    return this.#withTail(stored, resume, end, sizeBytesMax);
  }

  /** Appends, replacing what is there from the first entry's index on. */
  append(entries: readonly LogEntry[]): void {
    const first = entries[0];
    const last = entries.at(-1);
    if (first === undefined || last === undefined) return;
    assert(first.index > this.#snapshot.index, "the entry is behind the snapshot", first.index);
    assert(first.index <= this.#lastIndex + 1, "the entry leaves a gap in the log", first.index);
    if (first.index >= this.#tailStart) {
      this.#tail.length = first.index - this.#tailStart;
    } else {
      this.#tailStart = first.index;
      this.#tail = [];
    }
    for (const entry of entries) {
      assert(entry.index === this.#tailStart + this.#tail.length, "entries are not in sequence");
      this.#tail.push(entry);
    }
    this.#stableIndex = Math.min(this.#stableIndex, first.index - 1) as LogIndex;
    this.#lastIndex = last.index;
    this.#lastTerm = last.term;
  }

  /** Hands out the tail. From here on the reader must give these entries back. */
  takeTail(): readonly LogEntry[] {
    const tail = this.#tail;
    this.#tail = [];
    this.#tailStart = next(this.#lastIndex);
    return tail;
  }

  /** Entries up to `index` are synced. */
  stableTo(index: LogIndex): void {
    assert(index < this.#tailStart, "the entry is stable before it was handed out", index);
    if (index > this.#stableIndex) this.#stableIndex = index;
  }

  /** The last index at or below `index` whose term is at most `term`: where two logs may still agree. */
  lastIndexWithin(index: LogIndex, term: Term): LogIndex {
    let candidate = Math.min(index, this.#lastIndex) as LogIndex;
    for (; candidate > this.#snapshot.index; candidate--) {
      const found = this.termOf(candidate);
      if (found === null || found <= term) return candidate;
    }
    return candidate;
  }

  /** Whether a log that ends so is at least as up to date as this one (Raft thesis 3.6.1). */
  isUpToDate(lastIndex: LogIndex, lastTerm: Term): boolean {
    if (lastTerm !== this.#lastTerm) return lastTerm > this.#lastTerm;
    return lastIndex >= this.#lastIndex;
  }

  /** Moves the cut forward within the log. */
  compact(snapshot: SnapshotMeta): void {
    assert(snapshot.index <= this.#stableIndex, `cut at ${snapshot.index} is not stable`);
    assert(this.termOf(snapshot.index) === snapshot.term, "the cut is not in the log");
    this.#snapshot = snapshot;
  }

  /** Replaces everything by a snapshot. Nothing is stable until `stableTo` says so. */
  reset(snapshot: SnapshotMeta): void {
    this.#snapshot = snapshot;
    this.#lastIndex = snapshot.index;
    this.#lastTerm = snapshot.term;
    this.#stableIndex = 0 as LogIndex;
    this.#tailStart = next(snapshot.index);
    this.#tail = [];
  }

  #storedEntries(from: LogIndex, end: LogIndex, sizeBytesMax: number): readonly LogEntry[] {
    if (from >= this.#tailStart) return NO_ENTRIES;
    const to = Math.min(end, this.#tailStart - 1) as LogIndex;
    const found = this.#reader.entries(from, to, sizeBytesMax);
    assert(found[0]?.index === from, "the log did not give the entry back", from);
    return found;
  }

  #withTail(
    stored: readonly LogEntry[],
    from: LogIndex,
    end: LogIndex,
    sizeBytesMax: number,
  ): readonly LogEntry[] {
    let sizeBytes = 0;
    for (const entry of stored) sizeBytes += entrySizeBytes(entry);
    const start = from - this.#tailStart;
    let stop = start;
    for (; stop <= end - this.#tailStart; stop++) {
      const entry = present(this.#tail[stop], "an entry of the tail");
      sizeBytes += entrySizeBytes(entry);
      if (sizeBytes > sizeBytesMax && stored.length + stop - start > 0) break;
    }
    const tail = this.#tail.slice(start, stop);
    return stored.length === 0 ? tail : [...stored, ...tail];
  }
}

function next(index: LogIndex): LogIndex {
  return (index + 1) as LogIndex;
}
