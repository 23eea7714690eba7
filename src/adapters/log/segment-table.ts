/** The segments in order, the one that is written to, and how much of each is still in use. */

import { MyceliumError } from "../../base/index.ts";
import type { Disk } from "./disk.ts";
import type { Position } from "./position-list.ts";
import { DATA_START, Segment } from "./segment.ts";

export class SegmentTable {
  readonly #disk: Disk;
  readonly #segmentSizeBytes: number;
  readonly #bySequence = new Map<number, Segment>();
  /** Null until the first write of this life: what an earlier life wrote is never appended to. */
  #current: Segment | null = null;

  constructor(disk: Disk, segmentSizeBytes: number, found: readonly Segment[]) {
    this.#disk = disk;
    this.#segmentSizeBytes = segmentSizeBytes;
    for (const segment of found) this.#bySequence.set(segment.head.sequence, segment);
  }

  get current(): Segment | null {
    return this.#current;
  }

  get count(): number {
    return this.#bySequence.size;
  }

  /** The oldest segment that is not written to any more. */
  get oldest(): Segment | null {
    for (const segment of this.#bySequence.values()) {
      return segment === this.#current ? null : segment;
    }
    return null;
  }

  sizeBytes(): number {
    let sum = 0;
    for (const segment of this.#bySequence.values()) sum += segment.end;
    return sum;
  }

  /** The segment for a batch of about `sizeBytes`: the current one, or a new one when it is full. */
  forBatch(sizeBytes: number): Segment {
    const current = this.#current;
    const isFull =
      current === null ||
      (current.end > DATA_START && current.end + sizeBytes > this.#segmentSizeBytes);
    return isFull ? this.#roll() : current;
  }

  /** Throws STATE_CORRUPT when a position points nowhere. */
  at(sequence: number): Segment {
    const segment = this.#bySequence.get(sequence);
    if (segment !== undefined) return segment;
    throw new MyceliumError("STATE_CORRUPT", `Cannot read the log: segment ${sequence} is gone`);
  }

  countIn(sequence: number, sizeBytes: number): void {
    const segment = this.at(sequence);
    segment.liveCount++;
    segment.liveBytes += sizeBytes;
  }

  countOut(position: Position): void {
    const segment = this.at(position.segment);
    segment.liveCount--;
    segment.liveBytes -= position.sizeBytes;
  }

  /** Deletes the oldest segments while nothing in them is in use. */
  deleteDead(): void {
    for (
      let oldest = this.oldest;
      oldest !== null && oldest.liveCount === 0;
      oldest = this.oldest
    ) {
      this.#bySequence.delete(oldest.head.sequence);
      oldest.file.close();
      this.#disk.remove(oldest.name);
    }
  }

  close(): void {
    for (const segment of this.#bySequence.values()) segment.file.close();
  }

  #roll(): Segment {
    const last = this.#current ?? [...this.#bySequence.values()].at(-1);
    const head = {
      sequence: (last?.head.sequence ?? 0) + 1,
      salt: crypto.getRandomValues(new Uint8Array(8)),
      previousEnd: last?.syncedUpTo ?? 0,
    };
    const segment = Segment.create(this.#disk, head, this.#segmentSizeBytes);
    this.#bySequence.set(head.sequence, segment);
    this.#current = segment;
    return segment;
  }
}
