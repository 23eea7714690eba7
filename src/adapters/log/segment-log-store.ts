/**
 * LogStore over segment files: all groups in one stream, one write and one sync for whatever gathered while the one
 * before was under way. Votes go to a file of their own as well. See DESIGN.md for the format and the promises.
 */

import {
  asLogIndex,
  assert,
  asTerm,
  type GroupId,
  InvariantError,
  type LogIndex,
  MyceliumError,
  present,
  type Term,
} from "../../base/index.ts";
import type {
  LogEntry,
  LogStore,
  LogWrite,
  RecoveredGroup,
  SnapshotMeta,
} from "../../ports/index.ts";
import { DirectoryDisk, type Disk, diskError, isDiskFull } from "./disk.ts";
import { readEntries } from "./entry-reader.ts";
import { LogStream, type PlannedBatch } from "./log-stream.ts";
import { GroupStream, LoggedGroup } from "./logged-group.ts";
import { GROUP_COUNT_MAX } from "./metadata.ts";
import { type Change, Operation } from "./operation.ts";
import { PositionList } from "./position-list.ts";
import { type Recovery, recover } from "./recovery.ts";
import { SegmentTable } from "./segment-table.ts";
import { SyncPolicy } from "./sync-policy.ts";
import type { VoteFile } from "./vote-file.ts";

export interface SegmentLogOptions {
  /** Made when missing. */
  readonly directory: string;
  /** A segment is closed before it passes this size; recovery holds one in memory. Default 8 MiB. */
  readonly segmentSizeBytes?: number;
  /** Recent entries kept in memory, all groups together. Default 8 MiB. */
  readonly cacheSizeBytes?: number;
  /** For tests: what stands for the directory. */
  readonly disk?: Disk;
}

const SEGMENT_BYTES = 8 << 20;
const CACHE_BYTES = 8 << 20;
/** One batch takes no more than this, or one operation. */
const BATCH_BYTES_MAX = 4 << 20;
/** With the disk full or slow, more than this waiting is given up for good. */
const WAITING_BYTES_MAX = 256 << 20;
/** Cached entries are handed out in runs of this many, so that a short read of a long log copies little. */
const CACHED_RANGE_MAX = 256;
/** Idle this long, the log notes that its last batch was synced. */
const MARKER_DELAY_MS = 25;
/** From this many segments on, an old one that is mostly dead is emptied by moving what lives in it. */
const SEGMENT_COUNT_MOVE = 4;
const MOVE_LIVE_SHARE_MAX = 0.25;

interface OpenLog {
  readonly segments: SegmentTable;
  readonly stream: LogStream;
  readonly votes: VoteFile;
}

export class SegmentLogStore implements LogStore {
  readonly #options: Required<Omit<SegmentLogOptions, "disk">>;
  readonly #disk: Disk | null;
  readonly #groups = new Map<GroupId, LoggedGroup>();
  readonly #policy = new SyncPolicy();
  #log: OpenLog | null = null;
  #queue: Operation[] = [];
  #waitingBytes = 0;
  /** Encoded, and being written or refused by a full disk. */
  #held: PlannedBatch | null = null;
  #running: Promise<void> | null = null;
  #failure: MyceliumError | null = null;
  #moveIsQueued = false;
  #markerTimer: ReturnType<typeof setTimeout> | null = null;

  constructor(options: SegmentLogOptions) {
    const { directory, segmentSizeBytes = SEGMENT_BYTES, cacheSizeBytes = CACHE_BYTES } = options;
    this.#options = { directory, segmentSizeBytes, cacheSizeBytes };
    this.#disk = options.disk ?? null;
  }

  async open(): Promise<readonly RecoveredGroup[]> {
    assert(this.#log === null, "the log is opened once");
    try {
      const disk = this.#disk ?? new DirectoryDisk(this.#options.directory);
      return this.#adopt(disk, recover(disk));
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      throw diskError(`open the log in ${this.#options.directory}`, error);
    }
  }

  create(id: GroupId, snapshot: SnapshotMeta): Promise<void> {
    assert(!this.#groups.has(id), `group ${id} is created once`);
    assert(this.#groups.size < GROUP_COUNT_MAX, "a node holds a limited number of groups");
    const metadata = {
      group: id,
      number: this.#opened().stream.takeNumber(),
      hardState: { term: asTerm(0), votedFor: null },
      snapshot,
      since: { segment: 0, offset: 0 },
      damagedUpTo: null,
    };
    const stream = new GroupStream(metadata, new PositionList(snapshot.index + 1), 0, 0);
    this.#groups.set(id, new LoggedGroup(stream));
    return this.#enqueue({ kind: "create", stream });
  }

  append(writes: readonly LogWrite[]): Promise<void> {
    let sizeBytes = 0;
    const streamWrites = writes.map(({ group: id, hardState, entries }) => {
      const group = this.#group(id);
      group.put(entries);
      for (const entry of entries) sizeBytes += entry.payload.length;
      return { stream: group.stream, hardState, entries };
    });
    return this.#enqueue({ kind: "write", writes: streamWrites }, sizeBytes);
  }

  entries(id: GroupId, from: LogIndex, to: LogIndex, sizeBytesMax: number): readonly LogEntry[] {
    const group = this.#group(id);
    const entries: LogEntry[] = [];
    let sizeBytes = 0;
    let index = Math.max(from, group.snapshot.index + 1);
    const last = Math.min(to, group.lastIndex);
    while (index <= last) {
      for (const entry of this.#entriesFrom(group, index, last)) {
        sizeBytes += entry.payload.length;
        if (entries.length > 0 && sizeBytes > sizeBytesMax) return entries;
        entries.push(entry);
        index++;
      }
    }
    return entries;
  }

  termOf(id: GroupId, index: LogIndex): Term | null {
    return this.#group(id).termOf(index);
  }

  compact(id: GroupId, snapshot: SnapshotMeta): Promise<void> {
    const group = this.#group(id);
    if (snapshot.index <= group.snapshot.index) return this.#enqueue({ kind: "write", writes: [] });
    group.compact(snapshot);
    return this.#enqueue({ kind: "compact", stream: group.stream, snapshot });
  }

  reset(id: GroupId, snapshot: SnapshotMeta): Promise<void> {
    const group = this.#group(id);
    group.reset(snapshot);
    return this.#enqueue({ kind: "reset", stream: group.stream, snapshot });
  }

  remove(id: GroupId): Promise<void> {
    const { stream } = this.#group(id);
    this.#groups.delete(id);
    return this.#enqueue({ kind: "remove", stream });
  }

  sizeBytes(): number {
    return this.#opened().segments.sizeBytes();
  }

  /** Writes what waits, notes that all is synced, and lets go of the files. */
  async close(): Promise<void> {
    const log = this.#log;
    if (log === null) return;
    await this.#running;
    if (this.#markerTimer !== null) clearTimeout(this.#markerTimer);
    this.#markerTimer = null;
    if (this.#failure === null && this.#held === null) this.#writeMarker(log);
    this.#poison(new MyceliumError("CLOSED", "Cannot use the log: it was closed"));
    this.#log = null;
    log.segments.close();
    log.votes.close();
  }

  #adopt(disk: Disk, recovery: Recovery): readonly RecoveredGroup[] {
    const { voteFile, metadata } = recovery;
    // Also when it was found there: it may never have reached the disk.
    if (metadata !== null) voteFile.write(metadata);
    const streams = recovery.groups.map(
      (group) =>
        new GroupStream(group.metadata, group.positions, group.replaceCount, group.replacedFrom),
    );
    const segments = new SegmentTable(disk, this.#options.segmentSizeBytes, recovery.segments);
    this.#log = { segments, stream: new LogStream(segments, metadata, streams), votes: voteFile };
    for (const stream of streams) this.#groups.set(stream.id, new LoggedGroup(stream));
    return streams.map((stream) => {
      const { group, hardState, snapshot, damagedUpTo } = stream.metadata();
      const lastIndex = asLogIndex(stream.lastIndex);
      return { group, hardState, snapshot, lastIndex, damagedUpTo };
    });
  }

  #opened(): OpenLog {
    return present(this.#log, "an open log");
  }

  #group(id: GroupId): LoggedGroup {
    return present(this.#groups.get(id), `group ${id} in the log`);
  }

  /** At least one: some from the cache; before it, as many as one read gives. */
  #entriesFrom(group: LoggedGroup, index: number, last: number): readonly LogEntry[] {
    if (index >= group.cachedFrom) {
      return group.cachedRange(index, Math.min(last, index + CACHED_RANGE_MAX - 1));
    }
    // What is cached may be on its way to the disk: bytes are read up to there only.
    const to = Math.min(last, group.cachedFrom - 1);
    return readEntries(this.#opened().segments, group.stream, index, to);
  }

  #enqueue(change: Change, sizeBytes = 0): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    const operation = new Operation(change, sizeBytes);
    this.#queue.push(operation);
    this.#waitingBytes += sizeBytes;
    if (this.#waitingBytes > WAITING_BYTES_MAX) {
      this.#poison(
        new MyceliumError("DISK_FULL", "Cannot write the log: too much waits for the disk"),
      );
      return operation.promise;
    }
    this.#running ??= this.#drain();
    return operation.promise;
  }

  async #drain(): Promise<void> {
    // One turn of microtasks, in which whatever this event caused gathers.
    await null;
    try {
      while (this.#failure === null && (this.#held !== null || this.#queue.length > 0)) {
        this.#held ??= this.#planNext();
        const batch = this.#held;
        if (this.#policy.mayBlock()) this.#writeBlocking(batch);
        else await this.#writeThreaded(batch);
        this.#held = null;
        this.#finish(batch);
      }
    } catch (error) {
      this.#refuse(error);
    } finally {
      this.#running = null;
    }
  }

  /** The writes at the head of the queue, or one operation of another kind. */
  #planNext(): PlannedBatch {
    let count = 0;
    let sizeBytes = 0;
    for (const operation of this.#queue) {
      sizeBytes += operation.sizeBytes;
      if (count > 0 && (!operation.isWrite || sizeBytes > BATCH_BYTES_MAX)) break;
      count++;
      if (!operation.isWrite) break;
    }
    const batch = this.#opened().stream.plan(this.#queue.slice(0, count));
    this.#queue.splice(0, count);
    return batch;
  }

  #writeBlocking({ segment, bytes, offset, metadata }: PlannedBatch): void {
    const startedMs = performance.now();
    segment.file.write(bytes, offset);
    if (metadata !== null) this.#opened().votes.write(metadata);
    segment.file.sync();
    this.#policy.observeBlocking(performance.now() - startedMs);
  }

  async #writeThreaded({ segment, bytes, offset, metadata }: PlannedBatch): Promise<void> {
    const startedMs = performance.now();
    const votes = metadata === null ? null : this.#opened().votes.writeThreaded(metadata);
    const entries = segment.file
      .writeThreaded(bytes, offset)
      .then(() => segment.file.syncThreaded());
    // Wait for both also when one fails: no write may be under way when the next one starts.
    const results = await Promise.allSettled([entries, votes]);
    for (const result of results) if (result.status === "rejected") throw result.reason;
    this.#policy.observeThreaded(performance.now() - startedMs);
  }

  #finish(batch: PlannedBatch): void {
    const { stream, segments } = this.#opened();
    stream.synced(batch);
    for (const operation of batch.operations) {
      this.#waitingBytes -= operation.sizeBytes;
      if (operation.change.kind === "move") this.#moveIsQueued = false;
      operation.resolve();
    }
    this.#unpinWritten(batch);
    this.#trimCache();
    segments.deleteDead();
    // One move for each batch of others at most: moving must not feed itself.
    if (batch.operations.every((operation) => operation.change.kind !== "move")) this.#queueMove();
    this.#markerTimer ??= this.#startMarkerTimer();
  }

  /** Entries of the batch can now be read from disk; those still queued cannot. */
  #unpinWritten(batch: PlannedBatch): void {
    for (const { change } of batch.operations) {
      if (change.kind !== "write") continue;
      for (const { stream } of change.writes) {
        const group = this.#groups.get(stream.id);
        if (group !== undefined) group.unwrittenFrom = Number.POSITIVE_INFINITY;
      }
    }
    for (const { change } of this.#queue) {
      if (change.kind !== "write") continue;
      for (const { stream, entries } of change.writes) {
        const group = this.#groups.get(stream.id);
        const first = entries[0]?.index;
        if (group?.stream !== stream || first === undefined) continue;
        group.unwrittenFrom = Math.min(group.unwrittenFrom, first);
      }
    }
  }

  /** PERF: an eighth of the cache goes at a time, so that the shifting of arrays is paid rarely. */
  #trimCache(): void {
    const { cacheSizeBytes } = this.#options;
    let sum = 0;
    let largest: LoggedGroup | null = null;
    for (const group of this.#groups.values()) {
      sum += group.cachedBytes;
      if (group.cachedBytes > (largest?.cachedBytes ?? 0)) largest = group;
    }
    if (sum > cacheSizeBytes) largest?.evict(sum - cacheSizeBytes + cacheSizeBytes / 8);
  }

  /** A quiet group must not keep many segments of a busy one: its few entries move to the end. */
  #queueMove(): void {
    const { stream, segments } = this.#opened();
    const { oldest } = segments;
    const liveBytesMax = this.#options.segmentSizeBytes * MOVE_LIVE_SHARE_MAX;
    const isWorthIt =
      oldest !== null && segments.count > SEGMENT_COUNT_MOVE && oldest.liveBytes <= liveBytesMax;
    if (!isWorthIt || this.#moveIsQueued) return;
    this.#moveIsQueued = true;
    const moves = stream.movesOutOf(oldest);
    const operation = new Operation({ kind: "move", moves }, oldest.liveBytes);
    this.#waitingBytes += operation.sizeBytes;
    this.#queue.push(operation);
    // Nobody waits for it: what makes it fail fails the log, and is told there.
    operation.promise.catch(() => {});
  }

  #startMarkerTimer(): ReturnType<typeof setTimeout> {
    const timer = setTimeout(() => {
      this.#markerTimer = null;
      if (this.#running !== null) this.#markerTimer = this.#startMarkerTimer();
      else if (this.#log !== null && this.#failure === null) this.#writeMarker(this.#log);
    }, MARKER_DELAY_MS);
    timer.unref();
    return timer;
  }

  /** Not synced: it only serves a later recovery, and the next batch syncs it too. */
  #writeMarker({ segments, stream }: OpenLog): void {
    const segment = segments.current;
    if (segment === null || this.#held !== null || segment.end > segment.syncedUpTo) return;
    const bytes = stream.marker(segment);
    try {
      segment.file.write(bytes, segment.end);
      segment.end += bytes.length;
    } catch (error) {
      if (!isDiskFull(error)) this.#refuse(error);
    }
  }

  /** A full disk is told and tried again with the next call; anything else ends this log's life. */
  #refuse(error: unknown): void {
    if (error instanceof InvariantError) throw error;
    const refusal = diskError("write the log", error);
    if (!isDiskFull(error)) {
      this.#poison(refusal);
      return;
    }
    for (const operation of this.#waiting()) operation.reject(refusal);
  }

  #poison(failure: MyceliumError): void {
    this.#failure ??= failure;
    for (const operation of this.#waiting()) operation.reject(failure);
    this.#queue = [];
  }

  #waiting(): readonly Operation[] {
    return [...(this.#held?.operations ?? []), ...this.#queue];
  }
}
