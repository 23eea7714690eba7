/**
 * Moves frames from a queue to a socket: small ones are copied together into one write, large bodies go as they are.
 * When the socket takes no more, the rest waits here (at most one staging buffer and one body) until it drains.
 */

import { FRAME_HEAD_SIZE_BYTES, type Frame, writeFrameHead } from "../../domain/wire/index.ts";
import type { SendQueue } from "./send-queue.ts";

export interface ByteSink {
  /** How many bytes were taken; fewer than given when full, negative when closed. */
  write(bytes: Uint8Array): number;
}

const STAGING_SIZE_BYTES = 65_536;
/** A larger body costs less as a write of its own than copied. */
const COPIED_BODY_SIZE_BYTES_MAX = 16_384;
/** Shared by all links: what a socket does not take at once is copied out. */
const staging = new Uint8Array(STAGING_SIZE_BYTES);

export class FrameWriter {
  readonly #queue: SendQueue;
  readonly #sink: ByteSink;
  /** Taken from the queue, not yet from us by the socket, in order. */
  #waiting: Uint8Array[] = [];
  /** Did not fit into the staging buffer's rest. */
  #held: Frame | undefined;
  #sentBytes = 0;
  #sentFrames = 0;

  constructor(queue: SendQueue, sink: ByteSink) {
    this.#queue = queue;
    this.#sink = sink;
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  get sentFrames(): number {
    return this.#sentFrames;
  }

  /** Whether the socket took less than it was given: call `flush` again when it drains. */
  get blocked(): boolean {
    return this.#waiting.length > 0;
  }

  /** Writes until the queue is empty or the socket takes no more. */
  flush(): void {
    while (this.#writeWaiting()) {
      const body = this.#fillStaging();
      if (this.#waiting.length === 0 && body === undefined) return;
      if (body !== undefined) this.#waiting.push(body);
    }
  }

  /** True when nothing is left waiting. */
  #writeWaiting(): boolean {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const taken = this.#sink.write(first);
      if (taken > 0) this.#sentBytes += taken;
      if (taken < first.length) {
        // The staging buffer belongs to all links: keep a copy of its rest.
        const rest = first.subarray(Math.max(0, taken));
        this.#waiting[0] = rest.buffer === staging.buffer ? rest.slice() : rest;
        return false;
      }
      this.#waiting.shift();
    }
    return true;
  }

  /** Puts a batch of frames into `#waiting`; returns a large body that must follow it. */
  #fillStaging(): Uint8Array | undefined {
    let used = 0;
    let large: Uint8Array | undefined;
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) {
      const copied = frame.body.length <= COPIED_BODY_SIZE_BYTES_MAX;
      const needed = FRAME_HEAD_SIZE_BYTES + frame.name.length + (copied ? frame.body.length : 0);
      if (used + needed > STAGING_SIZE_BYTES) {
        this.#held = frame;
        break;
      }
      used = writeFrameHead(frame, staging, used);
      this.#sentFrames++;
      if (!copied) {
        large = frame.body;
        break;
      }
      staging.set(frame.body, used);
      used += frame.body.length;
    }
    if (used > 0) this.#waiting.push(staging.subarray(0, used));
    return large;
  }

  #next(): Frame | undefined {
    const held = this.#held;
    if (held === undefined) return this.#queue.shift();
    this.#held = undefined;
    return held;
  }
}
