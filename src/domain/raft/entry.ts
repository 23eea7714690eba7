/** What a Raft log holds and where it is read from. The durable log (ports/log-store.ts) speaks in these types. */

import type { LogIndex, ReplicaId, Term } from "../../base/index.ts";

/** `noop` is a new leader's first entry, `configuration` a Raft configuration, `command` the state machine's. */
export type EntryKind = "noop" | "configuration" | "command";

export interface LogEntry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: EntryKind;
  readonly payload: Uint8Array;
}

export interface HardState {
  readonly term: Term;
  readonly votedFor: ReplicaId | null;
}

/** The state that replaces all entries up to `index`. */
export interface SnapshotMeta {
  readonly index: LogIndex;
  readonly term: Term;
  /** The Raft configuration in force at `index`, encoded by the Raft domain. */
  readonly configuration: Uint8Array;
}

/** Entries that were handed out for persisting, read synchronously. */
export interface LogReader {
  /** Entries from `from` to `to`, both included, at least one if there is one, then up to `sizeBytesMax`. */
  entries(from: LogIndex, to: LogIndex, sizeBytesMax: number): readonly LogEntry[];
  /** The term of an entry or of the snapshot's index; null when it is not held. */
  termOf(index: LogIndex): Term | null;
}

/** What an entry counts for in limits: its payload and a fixed cost for its frame. */
export function entrySizeBytes(entry: LogEntry): number {
  return entry.payload.length + ENTRY_OVERHEAD_BYTES;
}

const ENTRY_OVERHEAD_BYTES = 32;

/**
 * A group begins as a snapshot of this index, which holds its first configuration and stands for the empty state:
 * a state machine that has applied nothing is at it.
 */
export const BOOTSTRAP_INDEX = 1 as LogIndex;
