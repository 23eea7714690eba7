/**
 * What a shard in memory holds, and `MemoryShardDisk`, which outlives the process: the state at the last checkpoint
 * and the batches committed since. A power cut keeps some first part of those (SQLite's WAL with synchronous=NORMAL);
 * the log must bring the rest back.
 */

import { asLogIndex, fromUtf8, type LogIndex, type Random, utf8 } from "../../base/index.ts";
import { keptClockMs, RESULT_KEPT_MS } from "../../domain/replication/index.ts";
import type { ProgramResult } from "../../domain/sql/index.ts";
import type { ShardPosition, SnapshotMeta } from "../../ports/index.ts";

export interface KeptResult {
  /** By `keptClockMs`. */
  readonly timeMs: number;
  readonly result: ProgramResult;
}

/** What one committed batch changed. */
export interface Delta {
  readonly changes: ReadonlyMap<string, string | null>;
  readonly results: ReadonlyMap<string, ProgramResult>;
  readonly appliedIndex: LogIndex;
  readonly pinnedTimeMs: number;
}

export class ShardState {
  readonly data: Map<string, string>;
  readonly results: Map<string, KeptResult>;
  appliedIndex: LogIndex = asLogIndex(0);
  pinnedTimeMs = 0;
  installed: SnapshotMeta | null = null;

  constructor(data: Iterable<[string, string]> = [], results: Iterable<[string, KeptResult]> = []) {
    this.data = new Map(data);
    this.results = new Map(results);
  }

  position(): ShardPosition {
    const { appliedIndex, pinnedTimeMs, installed } = this;
    return { appliedIndex, pinnedTimeMs, installed };
  }

  copy(): ShardState {
    const copy = new ShardState(this.data, this.results);
    copy.appliedIndex = this.appliedIndex;
    copy.pinnedTimeMs = this.pinnedTimeMs;
    copy.installed = this.installed;
    return copy;
  }

  commit(delta: Delta): void {
    for (const [key, value] of delta.changes) {
      if (value === null) this.data.delete(key);
      else this.data.set(key, value);
    }
    this.#keep(delta);
    this.appliedIndex = delta.appliedIndex;
    this.pinnedTimeMs = delta.pinnedTimeMs;
  }

  #keep({ pinnedTimeMs, results }: Delta): void {
    let newestMs: number | null = null;
    for (const kept of this.results.values()) newestMs = kept.timeMs;
    const timeMs = keptClockMs(newestMs, this.pinnedTimeMs, pinnedTimeMs);
    for (const [id, result] of results) this.results.set(id, { timeMs, result });
    for (const [id, kept] of this.results) {
      if (kept.timeMs + RESULT_KEPT_MS >= timeMs) break;
      this.results.delete(id);
    }
  }
}

export class MemoryShardDisk {
  state = new ShardState();
  tail: Delta[] = [];
  /** True makes `open` throw STATE_CORRUPT until the database is reset. */
  isCorrupt = false;
  /** True makes every write on the leader fail with SQLITE_FULL. */
  isFull = false;

  cutPower(random: Random): void {
    this.tail.length = random.below(this.tail.length + 1);
  }

  replace(state: ShardState): void {
    this.state = state;
    this.tail = [];
    this.isCorrupt = false;
  }

  /** Changes a row behind the database's back, as failing storage does. */
  alter(key: string, value: string): void {
    this.checkpoint();
    this.state.data.set(key, value);
  }

  checkpoint(): LogIndex {
    for (const delta of this.tail) this.state.commit(delta);
    this.tail = [];
    return this.state.appliedIndex;
  }

  /** Everything there is, as a running process reads it. */
  load(): ShardState {
    const state = this.state.copy();
    for (const delta of this.tail) state.commit(delta);
    return state;
  }
}

interface StateImage {
  readonly data: [string, string][];
  readonly results: [string, KeptResult][];
  readonly pinnedTimeMs: number;
}

export function encodeState(state: ShardState): Uint8Array {
  const image: StateImage = {
    data: [...state.data].sort(([a], [b]) => (a < b ? -1 : 1)),
    results: [...state.results],
    pinnedTimeMs: state.pinnedTimeMs,
  };
  return utf8(JSON.stringify(image, (_, value) => packBigInt(value)));
}

/** The snapshot's own bytes, their hash checked before. */
export function decodeState(bytes: Uint8Array, meta: SnapshotMeta): ShardState {
  const image = JSON.parse(fromUtf8(bytes), (_, value) => unpackBigInt(value)) as StateImage;
  const state = new ShardState(image.data, image.results);
  state.appliedIndex = meta.index;
  state.pinnedTimeMs = image.pinnedTimeMs;
  state.installed = meta;
  return state;
}

function packBigInt(value: unknown): unknown {
  return typeof value === "bigint" ? { int: value.toString() } : value;
}

function unpackBigInt(value: unknown): unknown {
  const isPacked =
    typeof value === "object" && value !== null && "int" in value && typeof value.int === "string";
  return isPacked ? BigInt(value.int as string) : value;
}
