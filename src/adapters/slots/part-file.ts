/**
 * A core that is put together chunk by chunk in a file of its own, sparse until it is whole. Nothing but the file is
 * kept: what an earlier life left in it is found again by its hashes.
 */

import { type FileHandle, open } from "node:fs/promises";
import type { Chunk } from "../../domain/update/index.ts";
import { scanCore, sha256Of } from "./core-scan.ts";
import { checkedStatOf, hashOf } from "./durable-file.ts";

const MODE = 0o755;

export class PartFile {
  readonly #file: FileHandle;
  readonly #chunks: readonly Chunk[];
  readonly #offsets: readonly number[];
  readonly #done: boolean[];
  readonly #positionsOf = new Map<string, number[]>();

  private constructor(file: FileHandle, chunks: readonly Chunk[]) {
    this.#file = file;
    this.#chunks = chunks;
    this.#done = chunks.map(() => false);
    let end = 0;
    this.#offsets = chunks.map(({ sizeBytes }) => {
      end += sizeBytes;
      return end - sizeBytes;
    });
    for (const [position, { sha256 }] of chunks.entries()) {
      const positions = this.#positionsOf.get(sha256);
      if (positions === undefined) this.#positionsOf.set(sha256, [position]);
      else positions.push(position);
    }
  }

  /** Opens or makes it, and finds what is good in it. */
  static async open(path: string, sizeBytes: number, chunks: readonly Chunk[]): Promise<PartFile> {
    const file = await open(path, (await Bun.file(path).exists()) ? "r+" : "w+", MODE);
    const part = new PartFile(file, chunks);
    const { size } = await file.stat();
    await file.truncate(sizeBytes);
    if (size > 0) await part.#recover();
    return part;
  }

  has(position: number): boolean {
    return this.#done[position] === true;
  }

  get isWhole(): boolean {
    return !this.#done.includes(false);
  }

  /** Takes from a core on disk what is missing here. */
  async fillFrom(path: string): Promise<void> {
    const core = await open(path, "r");
    try {
      await scanCore(
        core,
        (sha256) => this.#missing(sha256).length > 0,
        (sha256, bytes) => this.#put(sha256, bytes),
      );
    } finally {
      await core.close();
    }
  }

  async write(position: number, bytes: Uint8Array): Promise<boolean> {
    const chunk = this.#chunks[position];
    if (chunk === undefined || bytes.length !== chunk.sizeBytes) return false;
    if (sha256Of(bytes) !== chunk.sha256) return false;
    await this.#put(chunk.sha256, bytes);
    return true;
  }

  /** Bytes of chunks that are there; null when not all of them are. */
  async read(offset: number, sizeBytes: number): Promise<Uint8Array | null> {
    for (const [position, { sizeBytes: size }] of this.#chunks.entries()) {
      const start = this.#offsets[position] as number;
      const overlaps = start < offset + sizeBytes && offset < start + size;
      if (overlaps && !this.has(position)) return null;
    }
    return readExactly(this.#file, offset, sizeBytes);
  }

  /** Syncs and hashes the whole, from the disk, through the handle that wrote it. */
  async seal() {
    await this.#file.chmod(MODE);
    await this.#file.sync();
    const sha256 = await hashOf(this.#file);
    return { sha256, checked: checkedStatOf(await this.#file.stat({ bigint: true })) };
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #recover(): Promise<void> {
    for (const [position, { sha256, sizeBytes }] of this.#chunks.entries()) {
      const bytes = await readExactly(this.#file, this.#offsets[position] as number, sizeBytes);
      if (bytes !== null && sha256Of(bytes) === sha256) this.#done[position] = true;
    }
  }

  #missing(sha256: string): readonly number[] {
    return (this.#positionsOf.get(sha256) ?? []).filter((position) => !this.has(position));
  }

  async #put(sha256: string, bytes: Uint8Array): Promise<void> {
    for (const position of this.#missing(sha256)) {
      await writeExactly(this.#file, this.#offsets[position] as number, bytes);
      this.#done[position] = true;
    }
  }
}

async function writeExactly(file: FileHandle, offset: number, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, offset + at);
    at += bytesWritten;
  }
}

/** Null when the file ends before. */
export async function readExactly(
  file: FileHandle,
  offset: number,
  sizeBytes: number,
): Promise<Uint8Array | null> {
  const bytes = new Uint8Array(sizeBytes);
  for (let at = 0; at < sizeBytes; ) {
    const { bytesRead } = await file.read(bytes, at, sizeBytes - at, offset + at);
    if (bytesRead === 0) return null;
    at += bytesRead;
  }
  return bytes;
}
