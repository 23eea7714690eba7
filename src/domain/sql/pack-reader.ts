/** Reads what `PackWriter` wrote. Whatever does not fit is MALFORMED; nothing is allocated beyond the input's size. */

import { MyceliumError } from "../../base/index.ts";
import {
  VALUE_BLOB,
  VALUE_INTEGER,
  VALUE_NULL,
  VALUE_REAL,
  VALUE_SMALL_INTEGER,
  VALUE_TEXT,
} from "./pack-writer.ts";
import type { SqlValue } from "./value.ts";

const VARINT_BYTES_MAX = 8;
const textDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Short ASCII texts are joined from their codes: faster than a decoder call. */
const ASCII_FAST_MAX = 24;

export class PackReader {
  readonly #bytes: Uint8Array;
  /** Made when it is needed first: few inputs hold numbers of 8 bytes. */
  #view: DataView | null = null;
  readonly #what: string;
  #offset = 0;
  #repeated = "";
  #repeatedStart = 0;
  #repeatedSize = -1;

  /** `what` names the input in errors. */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  get offset(): number {
    return this.#offset;
  }

  /** Throws MALFORMED unless everything was read. */
  end(): void {
    if (this.#offset !== this.#bytes.length) throw this.damaged("bytes behind the end");
  }

  u8(): number {
    const byte = this.#bytes[this.#offset];
    if (byte === undefined) throw this.damaged("too few bytes");
    this.#offset++;
    return byte;
  }

  varint(max: number): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < VARINT_BYTES_MAX; i++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > max) throw this.damaged(`${value}, at most ${max} allowed`);
        if (byte === 0 && i > 0) throw this.damaged("a padded length");
        return value;
      }
      scale *= 0x80;
    }
    throw this.damaged("a length over 2^53");
  }

  /** A count of items that take at least `itemSizeMin` bytes each. */
  count(max: number, itemSizeMin = 1): number {
    const count = this.varint(max);
    if (count * itemSizeMin > this.#bytes.length - this.#offset) {
      throw this.damaged(`${count} items in too few bytes`);
    }
    return count;
  }

  f64(): number {
    return this.#numbers().getFloat64(this.#take(8), true);
  }

  text(sizeMax: number = Number.MAX_SAFE_INTEGER): string {
    const size = this.varint(sizeMax);
    const start = this.#take(size);
    if (size <= ASCII_FAST_MAX) {
      const ascii = this.#ascii(start, size);
      if (ascii !== null) return ascii;
    }
    try {
      return textDecoder.decode(this.#bytes.subarray(start, start + size));
    } catch {
      throw this.damaged("text that is not UTF-8");
    }
  }

  /** As `text`; the same string when it equals the last one that was read so: SQL comes again and again. */
  repeatedText(sizeMax: number): string {
    const before = this.#offset;
    const size = this.varint(sizeMax);
    const start = this.#take(size);
    if (this.#isLastRepeated(start, size)) return this.#repeated;
    this.#offset = before;
    this.#repeated = this.text(sizeMax);
    this.#repeatedStart = start;
    this.#repeatedSize = size;
    return this.#repeated;
  }

  /** A copy, so that it does not hold the whole input. */
  bytes(sizeMax: number = Number.MAX_SAFE_INTEGER): Uint8Array {
    return this.raw(this.varint(sizeMax));
  }

  /** A copy. */
  raw(size: number): Uint8Array {
    return new Uint8Array(this.view(size));
  }

  /** A part of the input itself: for what is read and let go. */
  view(size: number): Uint8Array {
    const start = this.#take(size);
    return this.#bytes.subarray(start, start + size);
  }

  value(): SqlValue {
    const tag = this.u8();
    switch (tag) {
      case VALUE_NULL:
        return null;
      case VALUE_INTEGER:
        return this.#numbers().getBigInt64(this.#take(8), true);
      case VALUE_SMALL_INTEGER:
        return BigInt(this.#int32());
      case VALUE_REAL:
        return this.f64();
      case VALUE_TEXT:
        return this.text();
      case VALUE_BLOB:
        return this.bytes();
      default:
        throw this.damaged(`value tag ${tag}`);
    }
  }

  values(countMax: number): SqlValue[] {
    const values: SqlValue[] = [];
    for (let left = this.count(countMax); left > 0; left--) values.push(this.value());
    return values;
  }

  damaged(found: string): MyceliumError {
    return new MyceliumError(
      "MALFORMED",
      `Cannot read ${this.#what}: found ${found} at byte ${this.#offset}`,
    );
  }

  #numbers(): DataView {
    const { buffer, byteOffset, length } = this.#bytes;
    this.#view ??= new DataView(buffer, byteOffset, length);
    return this.#view;
  }

  #int32(): number {
    const at = this.#take(4);
    const bytes = this.#bytes;
    const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
    return low | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
  }

  #isLastRepeated(start: number, size: number): boolean {
    if (size !== this.#repeatedSize) return false;
    const bytes = this.#bytes;
    for (let i = 0; i < size; i++) {
      if (bytes[start + i] !== bytes[this.#repeatedStart + i]) return false;
    }
    return true;
  }

  #ascii(start: number, size: number): string | null {
    let text = "";
    for (let i = start; i < start + size; i++) {
      const byte = this.#bytes[i] ?? 0x80;
      if (byte >= 0x80) return null;
      text += String.fromCharCode(byte);
    }
    return text;
  }

  #take(size: number): number {
    const start = this.#offset;
    if (start + size > this.#bytes.length) throw this.damaged("too few bytes");
    this.#offset += size;
    return start;
  }
}
