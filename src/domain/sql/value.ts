/**
 * SQL values and their bytes. A REAL is a number, an INTEGER a bigint, so that 1 and 1.0 stay apart on every path.
 * Packed form: a count, then per value one tag byte and its payload; integers and floats little endian.
 */

import { concatBytes, fromUtf8, MyceliumError, utf8 } from "../../base/index.ts";

export type SqlValue = null | bigint | number | string | Uint8Array;

const TAG_NULL = 0;
const TAG_INTEGER = 1;
const TAG_REAL = 2;
const TAG_TEXT = 3;
const TAG_BLOB = 4;

/** SQLite's own limit: SQLITE_MAX_VARIABLE_NUMBER and SQLITE_MAX_COLUMN are below it. */
const VALUE_COUNT_MAX = 65_535;

export function packValues(values: readonly SqlValue[]): Uint8Array {
  const parts: Uint8Array[] = [lengthBytes(values.length)];
  for (const value of values) parts.push(...packValue(value));
  return concatBytes(...parts);
}

/** Throws MALFORMED unless `packed` is exactly what `packValues` makes. */
export function unpackValues(packed: Uint8Array): SqlValue[] {
  const reader = new Reader(packed);
  const count = reader.u32();
  if (count > VALUE_COUNT_MAX) throw damaged(`${count} values, needed at most ${VALUE_COUNT_MAX}`);
  const values: SqlValue[] = [];
  for (let i = 0; i < count; i++) values.push(reader.value());
  if (!reader.atEnd) throw damaged("bytes behind the last value");
  return values;
}

function packValue(value: SqlValue): Uint8Array[] {
  if (value === null) return [Uint8Array.of(TAG_NULL)];
  if (typeof value === "bigint" || typeof value === "number") {
    const cell = new Uint8Array(9);
    const view = new DataView(cell.buffer);
    cell[0] = typeof value === "bigint" ? TAG_INTEGER : TAG_REAL;
    if (typeof value === "bigint") view.setBigInt64(1, value, true);
    else view.setFloat64(1, value, true);
    return [cell];
  }
  const content = typeof value === "string" ? utf8(value) : value;
  const tag = typeof value === "string" ? TAG_TEXT : TAG_BLOB;
  return [Uint8Array.of(tag), lengthBytes(content.length), content];
}

function lengthBytes(length: number): Uint8Array {
  const cell = new Uint8Array(4);
  new DataView(cell.buffer).setUint32(0, length, true);
  return cell;
}

function damaged(found: string): MyceliumError {
  return new MyceliumError("MALFORMED", `Cannot unpack SQL values: found ${found}`);
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get atEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  value(): SqlValue {
    const tag = this.#view.getUint8(this.#take(1));
    if (tag === TAG_NULL) return null;
    if (tag === TAG_INTEGER) return this.#view.getBigInt64(this.#take(8), true);
    if (tag === TAG_REAL) return this.#view.getFloat64(this.#take(8), true);
    if (tag !== TAG_TEXT && tag !== TAG_BLOB) throw damaged(`tag ${tag}`);
    const length = this.u32();
    const start = this.#take(length);
    const content = this.#bytes.slice(start, start + length);
    return tag === TAG_BLOB ? content : decodeText(content);
  }

  #take(length: number): number {
    const start = this.#offset;
    if (start + length > this.#bytes.length) throw damaged("too few bytes");
    this.#offset += length;
    return start;
  }
}

function decodeText(content: Uint8Array): string {
  try {
    return fromUtf8(content);
  } catch (error) {
    throw new MyceliumError("MALFORMED", "Cannot unpack SQL values: text is not UTF-8", {
      cause: error,
    });
  }
}
