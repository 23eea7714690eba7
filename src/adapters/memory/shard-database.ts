/**
 * ShardDatabase in memory, over the small language of `engine.ts` or SQL. It keeps the port's whole contract and asserts the
 * caller's half of it: one batch is open at a time, and entries are committed in order.
 */

import { assert, type LogIndex, MyceliumError, present, SeededRandom } from "../../base/index.ts";
import {
  type BatchContext,
  type BundlePart,
  type Request,
  requestsOfParts,
} from "../../domain/replication/index.ts";
import type { Program, ProgramResult, SqlRole } from "../../domain/sql/index.ts";
import type {
  BatchOutcome,
  CommittedBatch,
  QueryOptions,
  RequestOutcome,
  ShardDatabase,
  ShardPosition,
  SnapshotInfo,
  SnapshotMeta,
} from "../../ports/index.ts";
import {
  DEFAULT_TABLE,
  type Engine,
  type EngineSession,
  effectsOf,
  environmentOf,
  Overlay,
  type Readable,
  tableOf,
  WORD_ENGINE,
} from "./engine.ts";
import { fetchImage, sha256 } from "./fetch-image.ts";
import type { MemoryHost } from "./host.ts";
import {
  type Delta,
  decodeState,
  encodeState,
  type MemoryShardDisk,
  ShardState,
} from "./shard-state.ts";

const SNAPSHOT_COUNT_MAX = 64;

export interface ShardTiming {
  writeMs(): number;
  readMs(): number;
}

interface OpenBatch {
  readonly overlay: Overlay;
  readonly context: BatchContext;
  readonly results: Map<string, ProgramResult>;
  readonly effects: string[];
  interactive: EngineSession | null;
}

export class MemoryShardDatabase implements ShardDatabase {
  readonly #disk: MemoryShardDisk;
  readonly #host: MemoryHost;
  readonly #timing: ShardTiming;
  readonly #engine: Engine;
  readonly #readers = new Map<number, ShardState>();
  readonly #images = new Map<string, Uint8Array>();
  #state = new ShardState();
  #batch: OpenBatch | null = null;
  /** A batch that the log has could not be committed. */
  #lacksCommitted = false;
  #lastWrite: Promise<unknown> = Promise.resolve();
  #idCount = 0;

  constructor(
    disk: MemoryShardDisk,
    host: MemoryHost,
    timing: ShardTiming,
    engine: Engine = WORD_ENGINE,
  ) {
    this.#engine = engine;
    this.#disk = disk;
    this.#host = host;
    this.#timing = timing;
  }

  /** Every entry up to here is committed in it. */
  get appliedIndex(): LogIndex {
    return this.#state.appliedIndex;
  }

  async open(): Promise<ShardPosition> {
    await this.#host.delay(this.#timing.readMs());
    this.#checkFile();
    this.#state = this.#disk.load();
    return this.#state.position();
  }

  runBatch(
    context: BatchContext,
    parts: readonly BundlePart[],
    options: { readonly alone: boolean; readonly deadlineMs: number },
  ): Promise<BatchOutcome> {
    return this.#write(() => {
      this.#checkFile();
      const requests = requestsOfParts(parts);
      assert(!options.alone || requests.length === 1, "one request is alone");
      const batch = this.#openBatch(context);
      const outcomes = requests.map((request) => this.#runRequest(batch, request, options.alone));
      return { outcomes, digest: digestOf(batch.effects) };
    });
  }

  beginInteractive(context: BatchContext, _role: SqlRole): Promise<void> {
    return this.#write(() => {
      const batch = this.#openBatch(context);
      const environment = environmentOf(context, 0);
      batch.interactive = this.#engine.session(batch.overlay, environment);
    });
  }

  stepInteractive(program: Program, _deadlineMs: number): Promise<ProgramResult> {
    return this.#write(() => this.#interactive().run(program));
  }

  sealInteractive(request: Request): Promise<BatchOutcome> {
    return this.#write(() => {
      const batch = present(this.#batch, "the open batch");
      const session = this.#interactive();
      assert(!session.isOpen, "the client's transaction is still open");
      const result: ProgramResult = { steps: [], autocommit: true };
      const outcome = this.#finish(batch, request, session, result);
      return { outcomes: [outcome], digest: digestOf(batch.effects) };
    });
  }

  commit(index: LogIndex): Promise<void> {
    return this.#write(() => {
      const batch = present(this.#batch, "the open batch");
      this.#batch = null;
      this.#lacksCommitted = this.#disk.isFull;
      if (this.#lacksCommitted) throw diskFull("commit");
      this.#commit(batch, index);
    });
  }

  rollback(): Promise<void> {
    return this.#write(() => {
      this.#batch = null;
    });
  }

  apply(batches: readonly CommittedBatch[]): Promise<readonly Uint8Array[]> {
    return this.#write(() => {
      this.#checkFile();
      if (this.#disk.isFull) throw diskFull("apply");
      this.#lacksCommitted = false;
      return batches.map(({ index, context, parts }) => {
        const batch = this.#openBatch(context);
        for (const request of requestsOfParts(parts)) this.#runRequest(batch, request, true);
        this.#batch = null;
        this.#commit(batch, index);
        return digestOf(batch.effects);
      });
    });
  }

  advance(index: LogIndex): Promise<void> {
    return this.#write(() => {
      assert(this.#batch === null, "a batch is open");
      if (index <= this.#state.appliedIndex) return;
      this.#record({ changes: new Map(), results: new Map() }, index, this.#state.pinnedTimeMs);
    });
  }

  async query(program: Program, options: QueryOptions): Promise<ProgramResult> {
    const { snapshot } = options;
    const state =
      snapshot === null ? this.#state : present(this.#readers.get(snapshot), "the read snapshot");
    const view: Readable = {
      get: (key) => state.data.get(key),
      keys: () => state.data.keys(),
    };
    const environment = {
      timeMs: this.#host.wallMs(),
      random: new SeededRandom(0),
      isReadOnly: true,
      isFull: false,
    };
    // What is read is what is there when the reader gets to it, not when it was asked.
    await this.#host.delay(this.#timing.readMs());
    this.#checkFile();
    return { ...this.#engine.session(view, environment).runWhole(program), autocommit: true };
  }

  async openSnapshot(): Promise<number> {
    await this.#host.delay(this.#timing.readMs());
    if (this.#readers.size >= SNAPSHOT_COUNT_MAX) {
      throw new MyceliumError("OVERLOADED", "Cannot open a read transaction: too many are open");
    }
    const snapshot = ++this.#idCount;
    this.#readers.set(snapshot, this.#state.copy());
    return snapshot;
  }

  async closeSnapshot(snapshot: number): Promise<void> {
    this.#readers.delete(snapshot);
  }

  async tables(): Promise<readonly string[]> {
    const tables = new Set([DEFAULT_TABLE]);
    for (const key of this.#state.data.keys()) tables.add(tableOf(key));
    return [...tables].sort();
  }

  async hashTable(table: string): Promise<Uint8Array> {
    // The state after the writes called before, and none called later.
    const held = await this.#lastWrite.then(() => this.#state.copy());
    await this.#host.delay(this.#timing.readMs());
    this.#checkFile();
    const rows = [...held.data].filter(([key]) => tableOf(key) === table).sort();
    if (rows.length === 0 && table !== DEFAULT_TABLE) {
      throw new MyceliumError("BAD_ARGUMENT", `Cannot hash table ${table}: there is none`);
    }
    return sha256(JSON.stringify(rows));
  }

  async checkpoint(): Promise<LogIndex> {
    await this.#host.delay(this.#timing.writeMs());
    return this.#disk.checkpoint();
  }

  async createSnapshot(metaAt: (index: LogIndex) => SnapshotMeta): Promise<SnapshotInfo> {
    await this.#host.delay(this.#timing.readMs());
    this.#checkFile();
    const image = encodeState(this.#state);
    const meta = metaAt(this.#state.appliedIndex);
    const id = `snapshot-${++this.#idCount}`;
    this.#images.set(id, image);
    return { id, meta, sizeBytes: image.length, sha256: sha256(image) };
  }

  async readSnapshot(id: string, offset: number, sizeBytes: number): Promise<Uint8Array> {
    const image = this.#images.get(id);
    if (image === undefined) {
      throw new MyceliumError("BAD_ARGUMENT", `Cannot read snapshot ${id}: it was released`);
    }
    return image.slice(offset, offset + sizeBytes);
  }

  async releaseSnapshot(id: string): Promise<void> {
    this.#images.delete(id);
  }

  async installSnapshot(
    info: SnapshotInfo,
    readChunk: (offset: number, sizeBytes: number) => Promise<Uint8Array>,
  ): Promise<ShardPosition> {
    const image = await fetchImage(info, readChunk);
    return this.#write(() => {
      assert(this.#batch === null, "a batch is open");
      this.#disk.replace(decodeState(image, info.meta));
      this.#state = this.#disk.load();
      return this.#state.position();
    });
  }

  reset(): Promise<ShardPosition> {
    return this.#write(() => {
      this.#batch = null;
      this.#disk.replace(new ShardState());
      this.#state = this.#disk.load();
      return this.#state.position();
    });
  }

  async sizeBytes(): Promise<number> {
    return this.#state.data.size * 64;
  }

  async close(): Promise<void> {
    this.#disk.checkpoint();
  }

  /** Changes a row here and on the disk behind everybody's back. */
  alter(key: string, value: string): void {
    this.#disk.alter(key, value);
    this.#state.data.set(key, value);
  }

  /** The committed state, for the simulator's own checks. */
  inspect(): { readonly appliedIndex: LogIndex; readonly hash: string } {
    const rows = [...this.#state.data].sort();
    return {
      appliedIndex: this.#state.appliedIndex,
      hash: Buffer.from(sha256(JSON.stringify(rows))).toString("hex"),
    };
  }

  /** Calls on the write side run one after the other, as a writer's queue has them. */
  #write<T>(work: () => T): Promise<T> {
    const write = this.#lastWrite.then(async () => {
      await this.#host.delay(this.#timing.writeMs());
      return work();
    });
    this.#lastWrite = write.then(
      () => undefined,
      () => undefined,
    );
    return write;
  }

  #checkFile(): void {
    if (!this.#disk.isCorrupt) return;
    throw new MyceliumError("STATE_CORRUPT", "Cannot use the database: a page is damaged");
  }

  #openBatch(context: BatchContext): OpenBatch {
    assert(this.#batch === null, "a batch is open already");
    if (this.#lacksCommitted) throw diskFull("run a batch");
    assert(context.timeMs >= this.#state.pinnedTimeMs, "pinned time fell");
    const { data } = this.#state;
    const below: Readable = { get: (key) => data.get(key), keys: () => data.keys() };
    this.#batch = {
      overlay: new Overlay(below),
      context,
      results: new Map(),
      effects: [],
      interactive: null,
    };
    return this.#batch;
  }

  #interactive(): EngineSession {
    return present(this.#batch?.interactive, "the interactive transaction");
  }

  #runRequest(batch: OpenBatch, request: Request, isAlone: boolean): RequestOutcome {
    const first = batch.results.get(request.id) ?? this.#state.results.get(request.id)?.result;
    if (first !== undefined) return { kind: "replayed", result: first };
    if (this.#engine.needsOwnTransaction(request.program) && !isAlone) {
      return { kind: "alone", result: { steps: [], autocommit: true } };
    }
    const { isFull } = this.#disk;
    const ordinal = batch.effects.length;
    const environment = environmentOf(batch.context, ordinal, { isFull });
    const session = this.#engine.session(batch.overlay, environment);
    const result = session.runWhole(request.program);
    if (!result.autocommit) return { kind: "unchanged", result };
    return this.#finish(batch, request, session, result);
  }

  #finish(
    batch: OpenBatch,
    request: Request,
    session: EngineSession,
    result: ProgramResult,
  ): RequestOutcome {
    if (session.root.changes.size === 0) return { kind: "unchanged", result };
    batch.overlay.merge(session.root);
    batch.effects.push(effectsOf(request.id, session));
    batch.results.set(request.id, result);
    return { kind: "applied", result };
  }

  #commit(batch: OpenBatch, index: LogIndex): void {
    const { results } = batch;
    this.#record({ changes: batch.overlay.changes, results }, index, batch.context.timeMs);
  }

  #record(
    content: Pick<Delta, "changes" | "results">,
    appliedIndex: LogIndex,
    pinnedTimeMs: number,
  ): void {
    assert(
      appliedIndex > this.#state.appliedIndex,
      `entry ${appliedIndex} is committed after ${this.#state.appliedIndex}`,
    );
    const delta: Delta = { ...content, appliedIndex, pinnedTimeMs };
    this.#state.commit(delta);
    this.#disk.tail.push(delta);
  }
}

function diskFull(action: string): MyceliumError {
  return new MyceliumError("DISK_FULL", `Cannot ${action}: the disk is full; free some space`);
}

function digestOf(effects: readonly string[]): Uint8Array {
  return sha256(effects.join("\n"));
}
