/**
 * The engines of one thread, by shard: takes calls as plain data and gives plain data back, so that the same code
 * serves a Worker and, in tests and simulation, the calling thread.
 */

import { rmSync } from "node:fs";
import { asGroupId, assert, type LogIndex } from "../../base/index.ts";
import type { BatchContext } from "../../domain/replication/index.ts";
import { decodeProgram, encodeProgramResult, type SqlRole } from "../../domain/sql/index.ts";
import type { QueryOptions, ShardPosition, SnapshotMeta } from "../../ports/index.ts";
import { adoptSnapshot } from "./adopt-snapshot.ts";
import { decodeBatches, decodeParts, decodeRequest, encodeOutcome } from "./call-codec.ts";
import { type CopiedFile, CopyEngine } from "./copy-engine.ts";
import { ReaderEngine } from "./reader-engine.ts";
import { WriterEngine } from "./writer-engine.ts";

export interface FileOptions {
  readonly path: string;
  readonly guardPath: string;
  readonly cacheSizeBytes: number;
  readonly reserveBytes: number;
}

/** Every call an engine thread answers: its arguments and result are plain data. */
export interface EngineCalls {
  openWriter(options: FileOptions): ShardPosition;
  closeWriter(): void;
  runBatch(
    context: BatchContext,
    parts: Uint8Array,
    alone: boolean,
    deadlineMs: number,
  ): Uint8Array;
  beginInteractive(context: BatchContext, role: SqlRole): void;
  stepInteractive(program: Uint8Array, deadlineMs: number): Uint8Array;
  sealInteractive(request: Uint8Array): Uint8Array;
  commit(index: LogIndex): void;
  rollback(): void;
  apply(batches: Uint8Array): readonly Uint8Array[];
  advance(index: LogIndex): void;

  openReader(options: FileOptions): void;
  closeReader(): void;
  query(program: Uint8Array, options: QueryOptions): Uint8Array;
  openSnapshot(id: number): void;
  closeSnapshot(id: number): void;

  copyTo(options: FileOptions, target: string): Promise<CopiedFile>;
  checkpoint(options: FileOptions): LogIndex;
  checkPages(options: FileOptions, first: number): number | null;
  tables(options: FileOptions): readonly string[];
  holdState(options: FileOptions): void;
  /** Null when there is more to hash: call it again. */
  hashHeld(table: string): Uint8Array | null;
  dropHeld(): void;
  adoptSnapshot(options: FileOptions, meta: SnapshotMeta, sha256: Uint8Array): void;
  removeFile(path: string): void;
}

export type EngineCall = keyof EngineCalls;

export class EngineServer {
  readonly #writers = new Map<string, WriterEngine>();
  readonly #readers = new Map<string, ReaderEngine>();
  readonly #held = new Map<string, CopyEngine>();

  /** Answers one call; throws what the engine throws. */
  call(shard: string, name: EngineCall, args: readonly unknown[]): unknown {
    const handler = this.#calls(shard)[name] as (...args: readonly unknown[]) => unknown;
    return handler(...args);
  }

  close(): void {
    for (const engines of [this.#held, this.#readers, this.#writers]) {
      for (const engine of engines.values()) engine.close();
      engines.clear();
    }
  }

  #calls(shard: string): EngineCalls {
    const known = this.#callsByShard.get(shard);
    if (known !== undefined) return known;
    const calls: EngineCalls = {
      ...this.#writerCalls(shard),
      ...this.#readerCalls(shard),
      ...this.#copyCalls(shard),
    };
    this.#callsByShard.set(asGroupId(shard), calls);
    return calls;
  }

  readonly #callsByShard = new Map<string, EngineCalls>();

  #writerCalls(shard: string) {
    const writer = () => held(this.#writers, shard, "writer");
    return {
      openWriter: (options: FileOptions) => {
        this.#writers.get(shard)?.close();
        this.#writers.delete(shard);
        const engine = new WriterEngine(options);
        this.#writers.set(shard, engine);
        return engine.position;
      },
      closeWriter: () => drop(this.#writers, shard),
      runBatch: (context: BatchContext, packed: Uint8Array, alone: boolean, deadlineMs: number) =>
        encodeOutcome(writer().runBatch(context, decodeParts(packed), { alone, deadlineMs })),
      beginInteractive: (context: BatchContext, role: SqlRole) =>
        writer().beginInteractive(context, role),
      stepInteractive: (program: Uint8Array, deadlineMs: number) =>
        encodeProgramResult(writer().stepInteractive(decodeProgram(program), deadlineMs)),
      sealInteractive: (packed: Uint8Array) =>
        encodeOutcome(writer().sealInteractive(decodeRequest(packed))),
      commit: (index: LogIndex) => writer().commit(index),
      rollback: () => writer().rollback(),
      apply: (packed: Uint8Array) => writer().apply(decodeBatches(packed)),
      advance: (index: LogIndex) => writer().advance(index),
    };
  }

  #readerCalls(shard: string) {
    const reader = () => held(this.#readers, shard, "reader");
    return {
      openReader: (options: FileOptions) => {
        this.#readers.get(shard)?.close();
        this.#readers.delete(shard);
        this.#readers.set(shard, new ReaderEngine(options));
      },
      closeReader: () => drop(this.#readers, shard),
      query: (program: Uint8Array, options: QueryOptions) =>
        encodeProgramResult(reader().query(decodeProgram(program), options)),
      openSnapshot: (id: number) => reader().openSnapshot(id),
      closeSnapshot: (id: number) => reader().closeSnapshot(id),
    };
  }

  #copyCalls(shard: string) {
    return {
      copyTo: async (options: FileOptions, target: string) => {
        const engine = new CopyEngine(options);
        try {
          return await engine.copyTo(target);
        } finally {
          engine.close();
        }
      },
      checkpoint: (options: FileOptions) => withCopy(options, (engine) => engine.checkpoint()),
      checkPages: (options: FileOptions, first: number) =>
        withCopy(options, (engine) => engine.checkPages(first)),
      tables: (options: FileOptions) => withCopy(options, (engine) => engine.tables()),
      holdState: (options: FileOptions) => {
        drop(this.#held, shard);
        const engine = new CopyEngine(options);
        this.#held.set(shard, engine);
        engine.holdState();
      },
      hashHeld: (table: string) => {
        let hash: Uint8Array | null = null;
        let isOver = true;
        try {
          hash = held(this.#held, shard, "held state").hashOn(table);
          isOver = hash !== null;
        } finally {
          if (isOver) drop(this.#held, shard);
        }
        return hash;
      },
      dropHeld: () => drop(this.#held, shard),
      adoptSnapshot,
      removeFile: (path: string) => rmSync(path, { force: true }),
    };
  }
}

function withCopy<T>(options: FileOptions, work: (engine: CopyEngine) => T): T {
  const engine = new CopyEngine(options);
  try {
    return work(engine);
  } finally {
    engine.close();
  }
}

function held<T>(engines: ReadonlyMap<string, T>, shard: string, what: string): T {
  const engine = engines.get(shard);
  assert(engine !== undefined, `shard ${shard} has no ${what}`);
  return engine;
}

function drop(engines: Map<string, { close(): void }>, shard: string): void {
  engines.get(shard)?.close();
  engines.delete(shard);
}
