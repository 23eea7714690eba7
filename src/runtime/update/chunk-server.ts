/**
 * Serves chunks of the cores in this node's slots, and of the one it is fetching. Memory is bounded: a few chunks are
 * read at a time, and whoever comes beyond them is told to come again.
 */

import { EMPTY_BYTES, MyceliumError } from "../../base/index.ts";
import type { Metrics, SlotStore } from "../../ports/index.ts";
import {
  bitmapOf,
  CHUNK_METHOD,
  decodeChunkRequest,
  decodeHave,
  encodeHolding,
  HAVE_METHOD,
  notHeld,
} from "./chunk-protocol.ts";

/** Of at most 256 KiB each. */
const READ_COUNT_MAX = 16;

/** A core that is being put together here. */
export interface PartialCore {
  readonly sha256: string;
  readonly chunkCount: number;
  has(position: number): boolean;
  read(offset: number, sizeBytes: number): Promise<Uint8Array | null>;
}

export class ChunkServer {
  readonly #slots: SlotStore;
  readonly #metrics: Metrics;
  #partial: PartialCore | null = null;
  #reading = 0;

  constructor(slots: SlotStore, metrics: Metrics) {
    this.#slots = slots;
    this.#metrics = metrics;
  }

  /** Null when nothing is being fetched any more. */
  share(partial: PartialCore | null): void {
    this.#partial = partial;
  }

  serves(method: string): boolean {
    return method === HAVE_METHOD || method === CHUNK_METHOD;
  }

  /** Throws MALFORMED, UNREACHABLE (not here), OVERLOADED. */
  async handle(method: string, payload: Uint8Array): Promise<Uint8Array> {
    return method === HAVE_METHOD ? this.#holding(decodeHave(payload)) : this.#chunk(payload);
  }

  #holding(core: string): Uint8Array {
    if (this.#slots.hasCore(core)) return encodeHolding({ whole: true, bitmap: EMPTY_BYTES });
    const partial = this.#partial;
    if (partial?.sha256 !== core) return encodeHolding({ whole: false, bitmap: EMPTY_BYTES });
    const bitmap = bitmapOf(partial.chunkCount, (position) => partial.has(position));
    return encodeHolding({ whole: false, bitmap });
  }

  async #chunk(payload: Uint8Array): Promise<Uint8Array> {
    const { core, offset, sizeBytes } = decodeChunkRequest(payload);
    if (this.#reading >= READ_COUNT_MAX) {
      throw new MyceliumError("OVERLOADED", "Cannot serve a chunk: too many are asked for at once");
    }
    this.#reading++;
    try {
      const bytes = await this.#read(core, offset, sizeBytes);
      if (bytes === null) throw notHeld();
      this.#metrics.count("mycelium_update_served_bytes", bytes.length);
      return bytes;
    } finally {
      this.#reading--;
    }
  }

  #read(core: string, offset: number, sizeBytes: number): Promise<Uint8Array | null> {
    if (this.#slots.hasCore(core)) return this.#slots.readCore(core, offset, sizeBytes);
    const partial = this.#partial;
    return partial?.sha256 === core ? partial.read(offset, sizeBytes) : Promise.resolve(null);
  }
}
