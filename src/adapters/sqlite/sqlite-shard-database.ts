/**
 * One shard's database on SQLite (see `ports/shard-database.ts`): calls go to engines on other threads, writes in
 * the order they are made. `commit` may be called together with the next `runBatch`, without waiting in between.
 */

import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import { join } from "node:path";
import { assert, type GroupId, type LogIndex, MyceliumError } from "../../base/index.ts";
import type { BatchContext, BundlePart, Request } from "../../domain/replication/index.ts";
import {
  decodeProgramResult,
  encodeProgram,
  type Program,
  type ProgramResult,
  type SqlRole,
} from "../../domain/sql/index.ts";
import type {
  BatchOutcome,
  Clock,
  CommittedBatch,
  QueryOptions,
  ShardDatabase,
  ShardPosition,
  SnapshotInfo,
  SnapshotMeta,
} from "../../ports/index.ts";
import { decodeOutcome, encodeBatches, encodeParts, encodeRequest } from "./call-codec.ts";
import type { EngineHost } from "./engine-host.ts";
import type { EngineCall, EngineCalls, FileOptions } from "./engine-server.ts";
import { fetchFile } from "./fetch-file.ts";
import {
  databasePath,
  nextGeneration,
  openGeneration,
  removeOtherGenerations,
  startAnew,
  supersede,
} from "./generation.ts";
import { ReaderHandle } from "./reader-handle.ts";

export interface SqliteOptions {
  readonly shard: GroupId;
  /** A directory of the shard's own; made when missing. */
  readonly directory: string;
  /** The compiled native guard as a file. */
  readonly guardPath: string;
  /** Page cache of the writer and of the reader, each. */
  readonly cacheSizeBytes?: number;
  /** Free space below which writes are refused; 0 turns the check off. */
  readonly reserveBytes?: number;
  /** Given, a reader that nobody used for a while is closed, and opened again by the next read. */
  readonly clock?: Clock;
}

const CACHE_SIZE_BYTES = 4 * 1_048_576;
const RESERVE_BYTES = 100 * 1_000_000;
const SNAPSHOT_CHUNK_MAX = 8 * 1_048_576;
const SNAPSHOTS_KEPT_MAX = 4;
const SNAPSHOT_DIRECTORY = "snapshots";

interface KeptSnapshot {
  readonly path: string;
  readonly sizeBytes: number;
}

export class SqliteShardDatabase implements ShardDatabase {
  readonly #host: EngineHost;
  readonly #options: SqliteOptions;
  readonly #snapshots = new Map<string, KeptSnapshot>();
  #generation = 0;
  readonly #reader: ReaderHandle;
  #nextSnapshot = 1;
  /** Over all readers: a transaction must not go on in the snapshot of another one that came after a new copy. */
  #nextReadSnapshot = 1;
  /** Writes issued and not yet answered, and who waits for none. */
  #writesUnderWay = 0;
  #whenQuiet: (() => void)[] = [];
  readonly #fileUses = new Set<Promise<unknown>>();
  #swapping: Promise<unknown> | null = null;
  #hashing = false;
  /** Writes wait while this is set. */
  #barrier: Promise<unknown> | null = null;

  constructor(host: EngineHost, options: SqliteOptions) {
    this.#host = host;
    this.#options = options;
    const calls = {
      open: () => this.#read("openReader", this.#file()),
      close: () => this.#read("closeReader"),
    };
    this.#reader = new ReaderHandle(calls, options.clock ?? null);
  }

  async open(): Promise<ShardPosition> {
    const { directory } = this.#options;
    this.#generation = openGeneration(directory);
    removeOtherGenerations(directory, this.#generation);
    rmSync(join(directory, SNAPSHOT_DIRECTORY), { recursive: true, force: true });
    mkdirSync(join(directory, SNAPSHOT_DIRECTORY), { mode: 0o700 });
    return await this.#write("openWriter", this.#file());
  }

  async runBatch(
    context: BatchContext,
    parts: readonly BundlePart[],
    options: { readonly alone: boolean; readonly deadlineMs: number },
  ): Promise<BatchOutcome> {
    const { alone, deadlineMs } = options;
    const packed = encodeParts(parts);
    return decodeOutcome(await this.#write("runBatch", context, packed, alone, deadlineMs));
  }

  async beginInteractive(context: BatchContext, role: SqlRole): Promise<void> {
    await this.#write("beginInteractive", context, role);
  }

  async stepInteractive(program: Program, deadlineMs: number): Promise<ProgramResult> {
    const packed = await this.#write("stepInteractive", encodeProgram(program), deadlineMs);
    return decodeProgramResult(packed);
  }

  async sealInteractive(request: Request): Promise<BatchOutcome> {
    return decodeOutcome(await this.#write("sealInteractive", encodeRequest(request)));
  }

  async commit(index: LogIndex): Promise<void> {
    await this.#write("commit", index);
  }

  async rollback(): Promise<void> {
    await this.#write("rollback");
  }

  async apply(batches: readonly CommittedBatch[]): Promise<readonly Uint8Array[]> {
    return await this.#write("apply", encodeBatches(batches));
  }

  async advance(index: LogIndex): Promise<void> {
    await this.#write("advance", index);
  }

  query(program: Program, options: QueryOptions): Promise<ProgramResult> {
    const { role, deadlineMs, snapshot } = options;
    return this.#useFile(() =>
      this.#reader.use(async () => {
        const settings = { role, deadlineMs, snapshot };
        return decodeProgramResult(await this.#read("query", encodeProgram(program), settings));
      }),
    );
  }

  openSnapshot(): Promise<number> {
    return this.#useFile(() =>
      this.#reader.use(async () => {
        const snapshot = this.#nextReadSnapshot++;
        await this.#read("openSnapshot", snapshot);
        this.#reader.snapshotOpened(snapshot);
        return snapshot;
      }),
    );
  }

  closeSnapshot(snapshot: number): Promise<void> {
    return this.#useFile(async () => {
      if (!this.#reader.snapshotClosed(snapshot)) return;
      await this.#read("closeSnapshot", snapshot);
    });
  }

  tables(): Promise<readonly string[]> {
    return this.#useFile(() => this.#hash("tables", this.#file()));
  }

  /**
   * The state after the writes called before it, and none called later. One at a time: throws OVERLOADED. Throws CLOSED
   * when the file is to be replaced meanwhile.
   */
  hashTable(table: string): Promise<Uint8Array> {
    return this.#useFile(async () => {
      if (this.#hashing) {
        throw new MyceliumError(
          "OVERLOADED",
          "Cannot hash a table: another is being hashed; retry",
        );
      }
      this.#hashing = true;
      try {
        await this.#betweenWrites(() => this.#hash("holdState", this.#file()));
        return await this.#hashHeld(table);
      } finally {
        this.#hashing = false;
      }
    });
  }

  checkpoint(): Promise<LogIndex> {
    return this.#useFile(() => this.#copy("checkpoint", this.#file()));
  }

  /** See `CopyEngine.checkPages`. */
  checkPages(first: number): Promise<number | null> {
    return this.#useFile(() => this.#hash("checkPages", this.#file(), first));
  }

  async createSnapshot(metaAt: (index: LogIndex) => SnapshotMeta): Promise<SnapshotInfo> {
    if (this.#snapshots.size >= SNAPSHOTS_KEPT_MAX) {
      throw new MyceliumError(
        "OVERLOADED",
        `Cannot make a snapshot: ${SNAPSHOTS_KEPT_MAX} are being read; retry`,
      );
    }
    const id = `snapshot-${this.#nextSnapshot++}`;
    const path = join(this.#options.directory, SNAPSHOT_DIRECTORY, `${id}.sqlite`);
    this.#snapshots.set(id, { path, sizeBytes: 0 });
    try {
      const copied = await this.#useFile(() => this.#copy("copyTo", this.#file(), path));
      const { appliedIndex, sizeBytes, sha256 } = copied;
      this.#snapshots.set(id, { path, sizeBytes });
      return { id, meta: metaAt(appliedIndex), sizeBytes, sha256 };
    } catch (error) {
      await this.releaseSnapshot(id);
      throw error;
    }
  }

  /** Fewer bytes than asked for only at the end. */
  async readSnapshot(id: string, offset: number, sizeBytes: number): Promise<Uint8Array> {
    const snapshot = this.#snapshots.get(id);
    if (snapshot === undefined) {
      throw new MyceliumError(
        "CLOSED",
        `Cannot read snapshot ${id}: it was released; ask for another`,
      );
    }
    const size = Math.min(sizeBytes, SNAPSHOT_CHUNK_MAX, Math.max(0, snapshot.sizeBytes - offset));
    const handle = await open(snapshot.path, "r");
    try {
      const chunk = new Uint8Array(size);
      const { bytesRead } = await handle.read(chunk, 0, size, offset);
      return chunk.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  }

  async releaseSnapshot(id: string): Promise<void> {
    const snapshot = this.#snapshots.get(id);
    this.#snapshots.delete(id);
    if (snapshot !== undefined) await this.#copy("removeFile", snapshot.path);
  }

  async installSnapshot(
    info: SnapshotInfo,
    readChunk: (offset: number, sizeBytes: number) => Promise<Uint8Array>,
  ): Promise<ShardPosition> {
    const { directory } = this.#options;
    const generation = nextGeneration(directory);
    const incoming = join(directory, `${generation}.incoming`);
    try {
      await fetchFile(incoming, info.sizeBytes, readChunk);
      await this.#copy("adoptSnapshot", this.#file(incoming), info.meta, info.sha256);
    } catch (error) {
      await this.#copy("removeFile", incoming);
      throw error;
    }
    return await this.#swap(generation, incoming);
  }

  async reset(): Promise<ShardPosition> {
    return await this.#swap(nextGeneration(this.#options.directory), null);
  }

  async sizeBytes(): Promise<number> {
    const { directory } = this.#options;
    let size = 0;
    for (const name of readdirSync(directory)) {
      if (name.startsWith(`${this.#generation}.`)) size += statSync(join(directory, name)).size;
    }
    return size;
  }

  async close(): Promise<void> {
    await this.#closeEngines();
    for (const id of [...this.#snapshots.keys()]) await this.releaseSnapshot(id);
  }

  async #swap(generation: number, incoming: string | null): Promise<ShardPosition> {
    assert(this.#swapping === null, "the database is being replaced already");
    const swap = this.#replaceFile(generation, incoming);
    this.#swapping = swap.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await swap;
    } finally {
      this.#swapping = null;
    }
  }

  /** The pointer's rename is the moment of the change; before it the old file stands untouched. */
  async #replaceFile(generation: number, incoming: string | null): Promise<ShardPosition> {
    const { directory } = this.#options;
    await Promise.allSettled(this.#fileUses);
    await this.#closeEngines();
    const path = databasePath(directory, generation);
    if (incoming !== null) await rename(incoming, path);
    else {
      // A new empty database is made and synced before it is pointed at.
      await this.#write("openWriter", this.#file(path));
      await this.#write("closeWriter");
    }
    if (incoming === null) startAnew(directory, generation);
    else supersede(directory, generation);
    this.#generation = generation;
    return await this.#write("openWriter", this.#file());
  }

  async #closeEngines(): Promise<void> {
    await this.#reader.close();
    await this.#write("closeWriter");
  }

  /** Reads and copies: they wait while the file is replaced, and it is replaced when they are done. */
  async #useFile<T>(work: () => Promise<T>): Promise<T> {
    while (this.#swapping !== null) await this.#swapping;
    const use = work();
    this.#fileUses.add(use);
    try {
      return await use;
    } finally {
      this.#fileUses.delete(use);
    }
  }

  #file(path = databasePath(this.#options.directory, this.#generation)): FileOptions {
    const { guardPath, cacheSizeBytes, reserveBytes } = this.#options;
    return {
      path,
      guardPath,
      cacheSizeBytes: cacheSizeBytes ?? CACHE_SIZE_BYTES,
      reserveBytes: reserveBytes ?? RESERVE_BYTES,
    };
  }

  async #write<Name extends EngineCall>(
    name: Name,
    ...args: Parameters<EngineCalls[Name]>
  ): Promise<Awaited<ReturnType<EngineCalls[Name]>>> {
    while (this.#barrier !== null) await this.#barrier;
    this.#writesUnderWay++;
    try {
      return await this.#host.call("writer", this.#options.shard, name, ...args);
    } finally {
      this.#writesUnderWay--;
      if (this.#writesUnderWay === 0) for (const resume of this.#whenQuiet.splice(0)) resume();
    }
  }

  #read<Name extends EngineCall>(name: Name, ...args: Parameters<EngineCalls[Name]>) {
    return this.#host.call("reader", this.#options.shard, name, ...args);
  }

  #hash<Name extends EngineCall>(name: Name, ...args: Parameters<EngineCalls[Name]>) {
    return this.#host.call("hash", this.#options.shard, name, ...args);
  }

  async #hashHeld(table: string): Promise<Uint8Array> {
    while (this.#swapping === null) {
      const hash = await this.#hash("hashHeld", table);
      if (hash !== null) return hash;
    }
    await this.#hash("dropHeld");
    throw new MyceliumError("CLOSED", "Cannot hash the table: the database is being replaced");
  }

  #copy<Name extends EngineCall>(name: Name, ...args: Parameters<EngineCalls[Name]>) {
    return this.#host.call("copy", this.#options.shard, name, ...args);
  }

  /** Runs `work` after the writes under way and before later ones. */
  async #betweenWrites(work: () => Promise<unknown>): Promise<void> {
    while (this.#barrier !== null) await this.#barrier;
    const run = async () => {
      if (this.#writesUnderWay > 0) {
        await new Promise<void>((resolve) => this.#whenQuiet.push(resolve));
      }
      await work();
    };
    const barrier = run().finally(() => {
      assert(this.#barrier !== null, "a barrier was lifted twice");
      this.#barrier = null;
    });
    this.#barrier = barrier.catch(() => undefined);
    await barrier;
  }
}
