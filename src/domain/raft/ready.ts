/** What a replica wants done. The host takes it after each batch of inputs. */

import type { LogIndex, ReplicaId } from "../../base/index.ts";
import type { HardState, LogEntry, SnapshotMeta } from "./entry.ts";
import type { Message } from "./message.ts";

export interface RaftWrite {
  /** Give it back to `persisted` once durable. Writes become durable in the order they were taken. */
  readonly sequence: number;
  readonly hardState: HardState | null;
  /** Replace the log from the first one's index on. The log reader must give them back from now on. */
  readonly entries: readonly LogEntry[];
}

export interface ReadState {
  /** The number that was given to `readIndex`. */
  readonly context: number;
  /** A read of a state that has applied this much is linearizable. */
  readonly index: LogIndex;
}

export interface SnapshotRequest {
  /** Who offers the state, or the leader. */
  readonly source: ReplicaId;
  readonly atLeast: LogIndex;
  /** What the leader's log begins with; null when this replica asks by itself. */
  readonly offered: SnapshotMeta | null;
}

export interface Ready {
  /** All may be sent at once: what waits for a write comes out after `persisted`. */
  readonly messages: readonly Message[];
  /** To be applied, in order: committed and durable here. */
  readonly committed: readonly LogEntry[];
  readonly reads: readonly ReadState[];
  /** Ask the state machine to install one, then call `snapshotInstalled` or `snapshotFailed`. */
  readonly snapshot: SnapshotRequest | null;
}
