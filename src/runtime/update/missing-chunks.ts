/** Which chunks of a core are still to be fetched, and which of them is asked for next, from whom. */

import type { Random } from "../../base/index.ts";
import type { Chunk } from "../../domain/update/index.ts";

export interface PlacedChunk extends Chunk {
  readonly position: number;
  /** In the core. */
  readonly offset: number;
}

export class MissingChunks {
  /** By position of their first use; a chunk that occurs twice is fetched once. */
  readonly #open = new Map<number, PlacedChunk>();
  readonly #asked = new Set<number>();
  readonly #random: Random;

  constructor(chunks: readonly Chunk[], has: (position: number) => boolean, random: Random) {
    this.#random = random;
    const seen = new Set<string>();
    let offset = 0;
    for (const [position, chunk] of chunks.entries()) {
      if (!has(position) && !seen.has(chunk.sha256)) {
        this.#open.set(position, { ...chunk, position, offset });
        seen.add(chunk.sha256);
      }
      offset += chunk.sizeBytes;
    }
  }

  /** Fetched or not yet asked for: zero when all is here. */
  get count(): number {
    return this.#open.size;
  }

  get packBytes(): number {
    return [...this.#open.values()].reduce((sum, { packSizeBytes }) => sum + packSizeBytes, 0);
  }

  done({ position }: PlacedChunk): void {
    this.#open.delete(position);
    this.#asked.delete(position);
  }

  /** It did not come: somebody else may be asked. */
  giveBack({ position }: PlacedChunk): void {
    this.#asked.delete(position);
  }

  /**
   * Takes one that a source has; any, so that nodes that fetch at once get different ones and can serve each other.
   */
  takeAny(has: (position: number) => boolean): PlacedChunk | null {
    const candidates = this.#free().filter(({ position }) => has(position));
    const chunk = candidates[this.#random.below(Math.max(1, candidates.length))];
    if (chunk === undefined) return null;
    this.#asked.add(chunk.position);
    return chunk;
  }

  /** Takes a run of neighbours in the pack, of at most `sizeBytesMax` together, from a place of its own. */
  takeRun(sizeBytesMax: number): readonly PlacedChunk[] {
    const free = this.#free();
    const first = this.#random.below(Math.max(1, free.length));
    const run: PlacedChunk[] = [];
    let sizeBytes = 0;
    for (const chunk of free.slice(first)) {
      const before = run.at(-1);
      const follows =
        before === undefined || before.packOffset + before.packSizeBytes === chunk.packOffset;
      if (!follows || (before !== undefined && sizeBytes + chunk.packSizeBytes > sizeBytesMax))
        break;
      run.push(chunk);
      sizeBytes += chunk.packSizeBytes;
    }
    for (const { position } of run) this.#asked.add(position);
    return run;
  }

  #free(): PlacedChunk[] {
    return [...this.#open.values()].filter(({ position }) => !this.#asked.has(position));
  }
}
