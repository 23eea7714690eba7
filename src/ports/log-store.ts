/**
 * The node's durable Raft log: one stream of segments for all groups, with group commit. Votes and acknowledgements
 * may be sent only after the promise of the write they rest on has resolved.
 */

import type { GroupId, LogIndex, Term } from "../base/index.ts";
import type { EntryKind, HardState, LogEntry, SnapshotMeta } from "../domain/raft/index.ts";

export type { EntryKind, HardState, LogEntry, SnapshotMeta };

/** What the disk held for one group when the log was opened. */
export interface RecoveredGroup {
  readonly group: GroupId;
  readonly hardState: HardState;
  /** The cut: entries up to its index are gone. Index 0 when nothing was cut. */
  readonly snapshot: SnapshotMeta;
  /** The last whole entry; the snapshot's index when there is none. */
  readonly lastIndex: LogIndex;
  /**
   * Set when entries that had been synced were found damaged and dropped: the highest index that may have been
   * acknowledged. The replica must neither vote nor stand until its commit index reaches it.
   */
  readonly damagedUpTo: LogIndex | null;
}

/** One atomic step of one group. Entries replace the log from the first one's index on. */
export interface LogWrite {
  readonly group: GroupId;
  readonly hardState: HardState | null;
  readonly entries: readonly LogEntry[];
}

export interface LogStore {
  /** Reads what is there, repairs a torn tail, tells damage. Throws STATE_CORRUPT when the votes are lost. */
  open(): Promise<readonly RecoveredGroup[]>;

  /** Starts a group whose log is empty behind `snapshot`. Durable when resolved. */
  create(group: GroupId, snapshot: SnapshotMeta): Promise<void>;

  /**
   * Writes and syncs; resolves when durable, in call order. Entries can be read (`entries`, `termOf`) at once.
   * Rejects with DISK_FULL or an I/O error: then the node must stop acknowledging. After an I/O error nothing later
   * resolves. After DISK_FULL the store keeps what it was given and tries again with the next call (`append([])` is
   * enough): one that resolves makes all before it durable.
   */
  append(writes: readonly LogWrite[]): Promise<void>;

  /** Entries from `from` to `to`, both included, at least one if there is one, then up to `sizeBytesMax`. */
  entries(group: GroupId, from: LogIndex, to: LogIndex, sizeBytesMax: number): readonly LogEntry[];

  /** The term of an entry or of the snapshot's index; null when it is not held. */
  termOf(group: GroupId, index: LogIndex): Term | null;

  /** Forgets entries up to `snapshot.index`, which the state machine holds durably. Frees disk lazily. */
  compact(group: GroupId, snapshot: SnapshotMeta): Promise<void>;

  /** Replaces the whole log by a snapshot that was installed. Durable when resolved. */
  reset(group: GroupId, snapshot: SnapshotMeta): Promise<void>;

  /** Removes a group, its votes included. */
  remove(group: GroupId): Promise<void>;

  sizeBytes(): number;
  close(): Promise<void>;
}
