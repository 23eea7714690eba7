/** A first-in, first-out queue with a limit in items and in bytes: what does not fit is refused, never buffered. */

interface Slot<T> {
  readonly item: T;
  readonly sizeBytes: number;
}

export class BoundedQueue<T> {
  readonly #countMax: number;
  readonly #sizeBytesMax: number;
  #slots: Slot<T>[] = [];
  #head = 0;
  #sizeBytes = 0;

  constructor(limits: { countMax: number; sizeBytesMax: number }) {
    this.#countMax = limits.countMax;
    this.#sizeBytesMax = limits.sizeBytesMax;
  }

  get count(): number {
    return this.#slots.length - this.#head;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** False, and the item is not kept, when it would pass a limit. An empty queue takes an item of any size. */
  push(item: T, sizeBytes: number): boolean {
    const full = this.count >= this.#countMax || this.#sizeBytes + sizeBytes > this.#sizeBytesMax;
    if (full && this.count > 0) return false;
    this.#slots.push({ item, sizeBytes });
    this.#sizeBytes += sizeBytes;
    return true;
  }

  shift(): T | undefined {
    const slot = this.#slots[this.#head];
    if (slot === undefined) return undefined;
    this.#head++;
    this.#sizeBytes -= slot.sizeBytes;
    if (this.#head > 1_024 && this.#head * 2 > this.#slots.length) {
      this.#slots = this.#slots.slice(this.#head);
      this.#head = 0;
    }
    if (this.#head === this.#slots.length) {
      this.#slots.length = 0;
      this.#head = 0;
    }
    return slot.item;
  }

  clear(): void {
    this.#slots = [];
    this.#head = 0;
    this.#sizeBytes = 0;
  }
}
