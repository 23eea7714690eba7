/** Grows one buffer and writes numbers, texts and SQL values into it: the compact form of programs and results. */

import { assert } from "../../base/index.ts";
import type { SqlValue } from "./value.ts";

const INITIAL_SIZE_BYTES = 512;

export const VALUE_NULL = 0;
export const VALUE_INTEGER = 1;
export const VALUE_REAL = 2;
export const VALUE_TEXT = 3;
export const VALUE_BLOB = 4;
/** An INTEGER of 32 bits takes 5 bytes, not 9. */
export const VALUE_SMALL_INTEGER = 5;

const SMALL_MIN = -0x8000_0000n;
const SMALL_MAX = 0x7fff_ffffn;

const NO_BUFFER = Buffer.allocUnsafeSlow(0);
/** A larger one is not kept. */
const SPARE_SIZE_BYTES_MAX = 65_536;
/** Of the last writer that finished: nearly all live one after the other. */
let spare: typeof NO_BUFFER | null = null;

export class PackWriter {
  #buffer: typeof NO_BUFFER = NO_BUFFER;
  /** Made when it is needed first. */
  #view: DataView | null = null;
  #size = 0;
  #repeated: string | null = null;
  #repeatedStart = 0;
  #repeatedSize = 0;

  get sizeBytes(): number {
    return this.#size;
  }

  /** What was written, as a copy; the writer is empty then. */
  finish(): Uint8Array {
    const written = new Uint8Array(this.#buffer.subarray(0, this.#size));
    if (this.#buffer.length <= SPARE_SIZE_BYTES_MAX) spare = this.#buffer;
    this.#buffer = NO_BUFFER;
    this.#view = null;
    this.reset();
    return written;
  }

  /** Starts again. */
  reset(): void {
    this.#size = 0;
    this.#repeated = null;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#size++] = value;
  }

  /** An integer from 0 to 2^53 - 1 in base 128, least first (LEB128). */
  varint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, "cannot pack this as a length", value);
    this.#reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[this.#size++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#buffer[this.#size++] = rest;
  }

  f64(value: number): void {
    this.#reserve(8);
    this.#numbers().setFloat64(this.#size, value, true);
    this.#size += 8;
  }

  /** A length and UTF-8. */
  text(value: string): void {
    const sizeBytes = Buffer.byteLength(value);
    this.varint(sizeBytes);
    this.#reserve(sizeBytes);
    this.#buffer.write(value, this.#size);
    this.#size += sizeBytes;
  }

  /** As `text`; copied when it equals the last one that was written so. */
  repeatedText(value: string): void {
    const start = this.#size;
    if (value === this.#repeated) {
      this.#reserve(this.#repeatedSize);
      this.#buffer.copyWithin(start, this.#repeatedStart, this.#repeatedStart + this.#repeatedSize);
      this.#size += this.#repeatedSize;
      return;
    }
    this.text(value);
    this.#repeated = value;
    this.#repeatedStart = start;
    this.#repeatedSize = this.#size - start;
  }

  /** A length and bytes. */
  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.raw(value);
  }

  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#buffer.set(value, this.#size);
    this.#size += value.length;
  }

  value(value: SqlValue): void {
    if (value === null) this.u8(VALUE_NULL);
    else if (typeof value === "string") {
      this.u8(VALUE_TEXT);
      this.text(value);
    } else if (typeof value === "bigint") this.#integer(value);
    else if (typeof value === "number") {
      this.u8(VALUE_REAL);
      this.f64(value);
    } else {
      this.u8(VALUE_BLOB);
      this.bytes(value);
    }
  }

  values(values: readonly SqlValue[]): void {
    this.varint(values.length);
    for (const value of values) this.value(value);
  }

  #integer(value: bigint): void {
    this.#reserve(9);
    if (value >= SMALL_MIN && value <= SMALL_MAX) {
      this.#buffer[this.#size] = VALUE_SMALL_INTEGER;
      const small = Number(value);
      for (let i = 0; i < 4; i++) this.#buffer[this.#size + 1 + i] = small >> (8 * i);
      this.#size += 5;
      return;
    }
    assert(BigInt.asIntN(64, value) === value, "cannot pack what is no 64-bit integer", value);
    this.#buffer[this.#size] = VALUE_INTEGER;
    this.#numbers().setBigInt64(this.#size + 1, value, true);
    this.#size += 9;
  }

  #reserve(sizeBytes: number): void {
    const needed = this.#size + sizeBytes;
    if (needed <= this.#buffer.length) return;
    const grown = this.#largerBuffer(needed);
    grown.set(this.#buffer.subarray(0, this.#size));
    this.#buffer = grown;
    this.#view = null;
  }

  #largerBuffer(needed: number): typeof NO_BUFFER {
    if (spare !== null && spare.length >= needed) {
      const taken = spare;
      spare = null;
      return taken;
    }
    const sizeBytes = Math.max(needed, this.#buffer.length * 2, INITIAL_SIZE_BYTES);
    return Buffer.allocUnsafeSlow(sizeBytes);
  }

  #numbers(): DataView {
    const { buffer, byteOffset, length } = this.#buffer;
    this.#view ??= new DataView(buffer, byteOffset, length);
    return this.#view;
  }
}
