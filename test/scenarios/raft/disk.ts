/** A replica's disk in memory: what is written can be read at once, what is synced survives a crash. */

import { asLogIndex, asTerm, type LogIndex, present, type Term } from "../../../src/base/index.ts";
import type {
  HardState,
  LogEntry,
  LogReader,
  RaftWrite,
  SnapshotMeta,
} from "../../../src/domain/raft/index.ts";

interface Content {
  hardState: HardState;
  snapshot: SnapshotMeta;
  /** Entries behind the snapshot, in sequence. */
  entries: LogEntry[];
}

interface Pending {
  readonly sequence: number;
  readonly change: (content: Content) => void;
}

export class Disk implements LogReader {
  #visible: Content;
  #synced: Content;
  #pending: Pending[] = [];

  constructor(snapshot: SnapshotMeta) {
    const hardState = { term: asTerm(0), votedFor: null };
    this.#visible = { hardState, snapshot, entries: [] };
    this.#synced = { hardState, snapshot, entries: [] };
  }

  get hardState(): HardState {
    return this.#visible.hardState;
  }

  get snapshot(): SnapshotMeta {
    return this.#visible.snapshot;
  }

  get lastIndex(): LogIndex {
    return lastIndexOf(this.#visible);
  }

  get syncedLastIndex(): LogIndex {
    return lastIndexOf(this.#synced);
  }

  get hasUnsynced(): boolean {
    return this.#pending.length > 0;
  }

  write(write: RaftWrite): void {
    this.#queue(write.sequence, (content) => {
      if (write.hardState !== null) content.hardState = write.hardState;
      const first = write.entries[0];
      if (first === undefined) return;
      content.entries.length = Math.max(0, first.index - content.snapshot.index - 1);
      content.entries.push(...write.entries);
    });
  }

  reset(sequence: number, snapshot: SnapshotMeta): void {
    this.#queue(sequence, (content) => {
      content.snapshot = snapshot;
      content.entries = [];
    });
  }

  compact(snapshot: SnapshotMeta): void {
    const cut = (content: Content): void => {
      content.entries.splice(0, snapshot.index - content.snapshot.index);
      content.snapshot = snapshot;
    };
    cut(this.#visible);
    cut(this.#synced);
  }

  /** Makes the oldest write durable; its sequence. */
  sync(): number {
    const write = present(this.#pending.shift(), "a write to sync");
    write.change(this.#synced);
    return write.sequence;
  }

  /** Power is lost: only what was synced is there. */
  crash(): void {
    this.#pending = [];
    this.#visible = { ...this.#synced, entries: [...this.#synced.entries] };
  }

  /** Synced entries from `index` on are found damaged and dropped. */
  damage(index: LogIndex): void {
    this.crash();
    for (const content of [this.#visible, this.#synced]) {
      content.entries.length = Math.max(0, index - content.snapshot.index - 1);
    }
  }

  syncedTermOf(index: LogIndex): Term | null {
    return termIn(this.#synced, index);
  }

  termOf(index: LogIndex): Term | null {
    return termIn(this.#visible, index);
  }

  entries(from: LogIndex, to: LogIndex, sizeBytesMax: number): readonly LogEntry[] {
    const base = this.#visible.snapshot.index + 1;
    const found: LogEntry[] = [];
    let sizeBytes = 0;
    for (const entry of this.#visible.entries.slice(from - base, to - base + 1)) {
      sizeBytes += entry.payload.length;
      if (found.length > 0 && sizeBytes > sizeBytesMax) break;
      found.push(entry);
    }
    return found;
  }

  #queue(sequence: number, change: (content: Content) => void): void {
    change(this.#visible);
    this.#pending.push({ sequence, change });
  }
}

function lastIndexOf(content: Content): LogIndex {
  return asLogIndex(content.snapshot.index + content.entries.length);
}

function termIn(content: Content, index: LogIndex): Term | null {
  if (index === content.snapshot.index) return content.snapshot.term;
  return content.entries[index - content.snapshot.index - 1]?.term ?? null;
}
