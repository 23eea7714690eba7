/**
 * Cuts a stream of bytes into frames. A frame that lies whole in one chunk shares the chunk's memory; one that spans
 * chunks is gathered in a buffer that doubles as bytes arrive, so a peer makes us hold at most twice what it sent
 * and the copying stays linear. A size over the limit is refused before anything is held.
 */

import { MyceliumError } from "../../base/index.ts";
import { countedSizeMax, type Frame, parseFrame, readU32 } from "./frame.ts";

const SIZE_FIELD_BYTES = 4;
const GATHER_SIZE_BYTES_MIN = 1_024;

export class FrameDecoder {
  #countedSizeMax: number;
  /** Bytes of the frame under way, its size field included. */
  #gathered: Uint8Array = new Uint8Array(0);
  #gatheredSize = 0;

  constructor(bodySizeMax: number) {
    this.#countedSizeMax = countedSizeMax(bodySizeMax);
  }

  /** For a peer that has proved itself: it may send larger frames from the next one on. */
  setBodySizeMax(bodySizeMax: number): void {
    this.#countedSizeMax = countedSizeMax(bodySizeMax);
  }

  /** Bytes held for a frame that is not complete. */
  get heldBytes(): number {
    return this.#gatheredSize;
  }

  /**
   * Calls back with each frame that `chunk` completes; stops, keeping nothing, when the callback returns false.
   * The chunk must not change afterwards. Throws TOO_LARGE or MALFORMED; the stream is then of no more use.
   */
  push(chunk: Uint8Array, onFrame: (frame: Frame) => boolean): void {
    let offset = this.#gatheredSize > 0 ? this.#finishGathered(chunk, onFrame) : 0;
    while (offset >= 0 && chunk.length - offset >= SIZE_FIELD_BYTES) {
      const end = offset + SIZE_FIELD_BYTES + this.#countedSize(chunk, offset);
      if (end > chunk.length) break;
      const frame = parseFrame(chunk.subarray(offset + SIZE_FIELD_BYTES, end));
      offset = onFrame(frame) ? end : -1;
    }
    if (offset >= 0 && offset < chunk.length) this.#gather(chunk.subarray(offset));
  }

  /** Returns the offset in `chunk` behind the gathered frame, or -1 when the callback stopped. */
  #finishGathered(chunk: Uint8Array, onFrame: (frame: Frame) => boolean): number {
    const forSize = Math.max(0, SIZE_FIELD_BYTES - this.#gatheredSize);
    let offset = Math.min(forSize, chunk.length);
    this.#gather(chunk.subarray(0, offset));
    if (this.#gatheredSize < SIZE_FIELD_BYTES) return offset;
    const wholeSize = SIZE_FIELD_BYTES + this.#countedSize(this.#gathered, 0);
    const taken = Math.min(wholeSize - this.#gatheredSize, chunk.length - offset);
    this.#gather(chunk.subarray(offset, offset + taken), wholeSize);
    offset += taken;
    if (this.#gatheredSize < wholeSize) return offset;
    const counted = this.#gathered.subarray(SIZE_FIELD_BYTES, wholeSize);
    // The frame keeps this buffer: the next one gathers in another.
    this.#gathered = new Uint8Array(0);
    this.#gatheredSize = 0;
    return onFrame(parseFrame(counted)) ? offset : -1;
  }

  #gather(part: Uint8Array, wholeSize = Number.POSITIVE_INFINITY): void {
    const needed = this.#gatheredSize + part.length;
    if (needed > this.#gathered.length) {
      const doubled = Math.max(needed, 2 * this.#gathered.length, GATHER_SIZE_BYTES_MIN);
      const grown = new Uint8Array(Math.min(doubled, Math.max(wholeSize, needed)));
      grown.set(this.#gathered.subarray(0, this.#gatheredSize));
      this.#gathered = grown;
    }
    this.#gathered.set(part, this.#gatheredSize);
    this.#gatheredSize = needed;
  }

  #countedSize(source: Uint8Array, offset: number): number {
    const size = readU32(source, offset);
    if (size <= this.#countedSizeMax) return size;
    throw new MyceliumError(
      "TOO_LARGE",
      `Cannot receive a frame of ${size} bytes: at most ${this.#countedSizeMax} are taken`,
    );
  }
}
