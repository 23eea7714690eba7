/**
 * LogStore in memory. `MemoryLogDisk` is what outlives the process: the synced state and, in order, the writes that
 * are not synced yet. A power cut keeps some first part of those and drops the rest (a torn write is dropped whole, as
 * a checksum would find it). The running process sees its writes at once, as the port says.
 */

import {
  asLogIndex,
  assert,
  asTerm,
  type GroupId,
  type LogIndex,
  MyceliumError,
  present,
  type Random,
  type Term,
} from "../../base/index.ts";
import type {
  HardState,
  LogEntry,
  LogStore,
  LogWrite,
  RecoveredGroup,
  SnapshotMeta,
} from "../../ports/index.ts";
import type { MemoryHost } from "./host.ts";

/** One group's log: entries[i] has index snapshot.index + 1 + i. */
interface GroupLogState {
  hardState: HardState;
  snapshot: SnapshotMeta;
  entries: LogEntry[];
  damagedUpTo: LogIndex | null;
}

type Groups = Map<GroupId, GroupLogState>;
type Change = (groups: Groups) => void;

export class MemoryLogDisk {
  readonly synced: Groups = new Map();
  readonly unsynced: Change[] = [];
  /** True makes every write fail with DISK_FULL. */
  isFull = false;
  readonly #forgotten = new Map<GroupId, number>();

  /** Loses power: of the unsynced writes only some first ones were written. */
  cutPower(random: Random): void {
    this.#keep(random.below(this.unsynced.length + 1));
  }

  /** Only the process dies: what it wrote is in the operating system's hands, but the last write may be cut short. */
  killProcess(random: Random): void {
    this.#keep(this.unsynced.length - (random.below(2) === 0 ? 0 : 1));
  }

  /** What is synced, to be put back later. Of a disk that no process uses. */
  copy(): Groups {
    return copyOfAll(this.synced);
  }

  /** Puts an older copy back; an empty one stands for a log that is removed. What was synced meanwhile is forgotten. */
  putBack(copy: Groups): void {
    assert(this.unsynced.length === 0, "a log in use is replaced");
    for (const [group, state] of this.synced) {
      this.#forgotten.set(group, Math.max(lastIndexOf(state), this.#forgotten.get(group) ?? 0));
    }
    this.synced.clear();
    for (const [group, state] of copyOfAll(copy)) this.synced.set(group, state);
  }

  isDamaged(group: GroupId): boolean {
    return (this.synced.get(group)?.damagedUpTo ?? null) !== null;
  }

  /** Whether an entry is synced here, by itself or within the cut, or was until it was damaged or replaced. */
  holds(group: GroupId, index: LogIndex, term: Term): boolean {
    if (index <= (this.#forgotten.get(group) ?? 0)) return true;
    const state = this.synced.get(group);
    if (state === undefined) return false;
    if (index <= state.snapshot.index || index <= (state.damagedUpTo ?? 0)) return true;
    return state.entries[index - state.snapshot.index - 1]?.term === term;
  }

  #keep(count: number): void {
    for (const change of this.unsynced.slice(0, Math.max(0, count))) change(this.synced);
    this.unsynced.length = 0;
  }

  /** Flips a bit in a synced entry: recovery finds it, drops what follows and says so. False when there is none. */
  damage(group: GroupId, random: Random): boolean {
    const state = this.synced.get(group);
    if (state === undefined || state.entries.length === 0) return false;
    const last = lastIndexOf(state);
    state.entries.length = random.below(state.entries.length);
    state.damagedUpTo = asLogIndex(Math.max(last, state.damagedUpTo ?? 0));
    return true;
  }
}

export interface LogTiming {
  /** Milliseconds that one sync takes, drawn for each. */
  syncMs(): number;
}

interface PendingSync {
  readonly changes: number;
  readonly resolve: () => void;
}

export class MemoryLogStore implements LogStore {
  readonly #disk: MemoryLogDisk;
  readonly #host: MemoryHost;
  readonly #timing: LogTiming;
  readonly #live: Groups = new Map();
  #waiting: PendingSync[] = [];
  #isSyncing = false;
  #isOpen = false;
  /** Changes that a full disk refused and that no sync was started for since. */
  #keptCount = 0;

  constructor(disk: MemoryLogDisk, host: MemoryHost, timing: LogTiming) {
    this.#disk = disk;
    this.#host = host;
    this.#timing = timing;
  }

  async open(): Promise<readonly RecoveredGroup[]> {
    assert(!this.#isOpen, "a log store is opened once");
    this.#isOpen = true;
    await this.#host.delay(this.#timing.syncMs());
    assert(this.#disk.unsynced.length === 0, "the disk was given to two log stores");
    for (const [group, state] of this.#disk.synced) this.#live.set(group, copyOf(state));
    return [...this.#live].map(([group, state]) => ({
      group,
      hardState: state.hardState,
      snapshot: state.snapshot,
      lastIndex: lastIndexOf(state),
      damagedUpTo: state.damagedUpTo,
    }));
  }

  create(group: GroupId, snapshot: SnapshotMeta): Promise<void> {
    assert(!this.#live.has(group), `log group ${group} is there already`);
    return this.#write([(groups) => groups.set(group, emptyGroup(snapshot))]);
  }

  append(writes: readonly LogWrite[]): Promise<void> {
    const changes = writes.map(
      (write): Change =>
        (groups) =>
          applyWrite(groups, write),
    );
    if (!this.#disk.isFull) return this.#write(changes);
    // Kept for the next call that finds room, and seen at once.
    this.#take(changes);
    this.#keptCount += changes.length;
    return Promise.reject(new MyceliumError("DISK_FULL", "Cannot append: the disk is full"));
  }

  entries(group: GroupId, from: LogIndex, to: LogIndex, sizeBytesMax: number): readonly LogEntry[] {
    const state = this.#group(group);
    const first = state.snapshot.index + 1;
    assert(from >= first, `entries from ${from} are compacted; the first is ${first}`);
    const found: LogEntry[] = [];
    let sizeBytes = 0;
    for (let index: number = from; index <= to; index++) {
      const entry = state.entries[index - first];
      if (entry === undefined) break;
      sizeBytes += entry.payload.length;
      if (found.length > 0 && sizeBytes > sizeBytesMax) break;
      found.push(entry);
    }
    return found;
  }

  termOf(group: GroupId, index: LogIndex): Term | null {
    const state = this.#group(group);
    if (index === state.snapshot.index) return state.snapshot.term;
    return state.entries[index - state.snapshot.index - 1]?.term ?? null;
  }

  compact(group: GroupId, snapshot: SnapshotMeta): Promise<void> {
    return this.#write([(groups) => compactGroup(groups, group, snapshot)]);
  }

  reset(group: GroupId, snapshot: SnapshotMeta): Promise<void> {
    return this.#write([(groups) => resetGroup(groups, group, snapshot)]);
  }

  remove(group: GroupId): Promise<void> {
    return this.#write([(groups) => groups.delete(group)]);
  }

  has(group: GroupId): boolean {
    return this.#live.has(group);
  }

  /** The first entry that is not cut away. */
  firstIndex(group: GroupId): LogIndex {
    return asLogIndex(this.#group(group).snapshot.index + 1);
  }

  /** The configuration entries held, latest first, then the cut's own: for the simulator's checks. */
  configurations(group: GroupId): readonly Uint8Array[] {
    const state = this.#live.get(group);
    if (state === undefined) return [];
    const entries = state.entries.filter((entry) => entry.kind === "configuration");
    return [...entries.map((entry) => entry.payload).reverse(), state.snapshot.configuration];
  }

  sizeBytes(): number {
    let sizeBytes = 0;
    for (const state of this.#live.values()) {
      for (const entry of state.entries) sizeBytes += entry.payload.length + 32;
    }
    return sizeBytes;
  }

  close(): Promise<void> {
    return this.#write([]);
  }

  #group(group: GroupId): GroupLogState {
    return present(this.#live.get(group), `log group ${group}`);
  }

  /** Seen at once, durable after the next sync; syncs gather what comes while one is on its way. */
  #write(changes: readonly Change[]): Promise<void> {
    assert(this.#isOpen, "the log store is not open");
    this.#take(changes);
    const count = this.#keptCount + changes.length;
    this.#keptCount = 0;
    return new Promise((resolve) => {
      this.#waiting.push({ changes: count, resolve });
      if (!this.#isSyncing) this.#sync();
    });
  }

  #take(changes: readonly Change[]): void {
    for (const change of changes) {
      change(this.#live);
      this.#disk.unsynced.push(change);
    }
  }

  #sync(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#isSyncing = true;
    this.#host.enter(this.#timing.syncMs(), () => {
      let count = 0;
      for (const pending of waiting) count += pending.changes;
      for (const change of this.#disk.unsynced.splice(0, count)) change(this.#disk.synced);
      for (const pending of waiting) pending.resolve();
      this.#isSyncing = false;
      if (this.#waiting.length > 0) this.#sync();
    });
  }
}

function emptyGroup(snapshot: SnapshotMeta): GroupLogState {
  return {
    hardState: { term: asTerm(0), votedFor: null },
    snapshot,
    entries: [],
    damagedUpTo: null,
  };
}

function copyOf(state: GroupLogState): GroupLogState {
  return { ...state, entries: [...state.entries] };
}

function copyOfAll(groups: Groups): Groups {
  return new Map([...groups].map(([group, state]) => [group, copyOf(state)]));
}

function lastIndexOf(state: GroupLogState): LogIndex {
  return asLogIndex(state.snapshot.index + state.entries.length);
}

function applyWrite(groups: Groups, write: LogWrite): void {
  const state = present(groups.get(write.group), `log group ${write.group}`);
  if (write.hardState !== null) state.hardState = write.hardState;
  const first = write.entries[0];
  if (first === undefined) return;
  const keep = first.index - state.snapshot.index - 1;
  assert(keep >= 0, `entry ${first.index} lies in the snapshot up to ${state.snapshot.index}`);
  assert(keep <= state.entries.length, `entry ${first.index} leaves a gap`);
  state.entries.length = keep;
  for (const entry of write.entries) {
    assert(entry.index === lastIndexOf(state) + 1, `entry ${entry.index} is out of order`);
    state.entries.push(entry);
  }
  if (state.damagedUpTo !== null && lastIndexOf(state) >= state.damagedUpTo) {
    state.damagedUpTo = null;
  }
}

function compactGroup(groups: Groups, group: GroupId, snapshot: SnapshotMeta): void {
  const state = present(groups.get(group), `log group ${group}`);
  const count = snapshot.index - state.snapshot.index;
  if (count <= 0) return;
  assert(count <= state.entries.length, `compaction to ${snapshot.index} is past the log's end`);
  const term = state.entries[count - 1]?.term;
  assert(term === snapshot.term, `compaction at ${snapshot.index} names a wrong term`);
  state.entries = state.entries.slice(count);
  state.snapshot = snapshot;
}

function resetGroup(groups: Groups, group: GroupId, snapshot: SnapshotMeta): void {
  const before = groups.get(group);
  const hardState = before?.hardState ?? { term: asTerm(0), votedFor: null };
  const damagedUpTo = before?.damagedUpTo ?? null;
  const isHealed = damagedUpTo === null || snapshot.index >= damagedUpTo;
  groups.set(group, {
    hardState,
    snapshot,
    entries: [],
    damagedUpTo: isHealed ? null : damagedUpTo,
  });
}
