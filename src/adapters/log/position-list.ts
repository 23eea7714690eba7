/**
 * Where each entry of one group lies: segment, offset, size and term by index, 20 bytes an entry, over a contiguous
 * range of indexes. An entry of the range can be missing (known to have been written, not found).
 */

import { assert } from "../../base/index.ts";

export interface Position {
  readonly segment: number;
  readonly offset: number;
  /** Of the whole record. */
  readonly sizeBytes: number;
  readonly term: number;
}

const STRIDE = 3;
const CAPACITY_MIN = 64;

export class PositionList {
  #first: number;
  #count = 0;
  /** Slots before this one are free. */
  #head = 0;
  #places = new Uint32Array(CAPACITY_MIN * STRIDE);
  #terms = new Float64Array(CAPACITY_MIN);

  /** An empty list whose first entry will be `first`. */
  constructor(first: number) {
    this.#first = first;
  }

  get first(): number {
    return this.#first;
  }

  /** `first` - 1 when empty. */
  get last(): number {
    return this.#first + this.#count - 1;
  }

  has(index: number): boolean {
    return this.#slotOf(index) >= 0 && this.#sizeAt(this.#slotOf(index)) > 0;
  }

  /** Null when the index is out of range or its entry missing. */
  at(index: number): Position | null {
    const slot = this.#slotOf(index);
    if (slot < 0 || this.#sizeAt(slot) === 0) return null;
    const place = slot * STRIDE;
    return {
      segment: this.#places[place] ?? 0,
      offset: this.#places[place + 1] ?? 0,
      sizeBytes: this.#places[place + 2] ?? 0,
      term: this.#terms[slot] ?? 0,
    };
  }

  /** Null when the index is out of range or its entry missing. */
  termAt(index: number): number | null {
    return this.has(index) ? (this.#terms[this.#slotOf(index)] ?? null) : null;
  }

  push(segment: number, offset: number, sizeBytes: number, term: number): void {
    if (this.#head + this.#count === this.#terms.length) this.#makeRoom();
    this.#count++;
    this.#put(this.last, segment, offset, sizeBytes, term);
  }

  /** Marks the indexes after the last one up to `last` as missing. */
  pushMissing(last: number): void {
    while (this.last < last) this.push(0, 0, 0, 0);
  }

  /** Gives the entry at `index`, within the range or below it, its place. */
  fill(index: number, position: Position): void {
    if (index < this.#first) this.#extendDown(index);
    assert(index <= this.last, "an entry is filled in past the end of the list");
    this.#put(index, position.segment, position.offset, position.sizeBytes, position.term);
  }

  /** Drops the entries from `index` on. */
  truncateFrom(index: number): void {
    if (index < this.#first) {
      this.#first = index;
      this.#count = 0;
    } else {
      this.#count = Math.min(this.#count, index - this.#first);
    }
  }

  /** Drops the entries up to `index`; an empty list then begins after it. */
  dropUpTo(index: number): void {
    const dropped = index - this.#first + 1;
    if (dropped <= 0) return;
    this.#head = dropped >= this.#count ? 0 : this.#head + dropped;
    this.#count = Math.max(0, this.#count - dropped);
    this.#first = index + 1;
  }

  #slotOf(index: number): number {
    const ordinal = index - this.#first;
    return ordinal >= 0 && ordinal < this.#count ? this.#head + ordinal : -1;
  }

  #sizeAt(slot: number): number {
    return this.#places[slot * STRIDE + 2] ?? 0;
  }

  #put(index: number, segment: number, offset: number, sizeBytes: number, term: number): void {
    const slot = this.#slotOf(index);
    this.#places[slot * STRIDE] = segment;
    this.#places[slot * STRIDE + 1] = offset;
    this.#places[slot * STRIDE + 2] = sizeBytes;
    this.#terms[slot] = term;
  }

  /** PERF: amortised constant: moves entries only when half of the array can be won back, else doubles it. */
  #makeRoom(): void {
    const capacity =
      this.#head * 2 >= this.#terms.length ? this.#terms.length : this.#terms.length * 2;
    this.#move(capacity, 0);
  }

  #extendDown(index: number): void {
    const added = this.#first - index;
    this.#move(Math.max(CAPACITY_MIN, (this.#count + added) * 2), added);
    this.#places.fill(0, 0, added * STRIDE);
    this.#head = 0;
    this.#first = index;
    this.#count += added;
  }

  #move(capacity: number, head: number): void {
    const [places, terms, from] = [this.#places, this.#terms, this.#head];
    this.#places = new Uint32Array(capacity * STRIDE);
    this.#terms = new Float64Array(capacity);
    this.#places.set(places.subarray(from * STRIDE, (from + this.#count) * STRIDE), head * STRIDE);
    this.#terms.set(terms.subarray(from, from + this.#count), head);
    this.#head = head;
  }
}
