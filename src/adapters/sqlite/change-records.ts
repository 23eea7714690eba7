/**
 * SQLite session changesets in canonical form: records sorted, marks left out that depend on what was rolled back
 * in between. Two replicas that made the same changes get the same bytes whatever their sessions saw besides.
 * Source: the changeset format in SQLite's ext/session/sqlite3session.c.
 */

import type { Hash } from "node:crypto";
import { assert } from "../../base/index.ts";

const TABLE_HEADER = 0x54;
const INSERT = 18;
const UPDATE = 23;

interface TableChanges {
  readonly name: string;
  readonly header: Uint8Array;
  readonly records: Uint8Array[];
}

/** Feeds a changeset to `hash`. PERF: grows with n log n of the records. */
export function hashChangeset(changeset: Uint8Array, hash: Hash): void {
  const tables = new ChangesetReader(changeset).tables();
  tables.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { header, records } of tables) {
    hash.update(header);
    if (records.length > 1) records.sort(Buffer.compare);
    for (const record of records) hash.update(record);
  }
}

class ChangesetReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  tables(): TableChanges[] {
    const tables: TableChanges[] = [];
    let width = 0;
    while (this.#at < this.#bytes.length) {
      if (this.#bytes[this.#at] === TABLE_HEADER) {
        const start = this.#at++;
        width = this.#varint();
        this.#at += width;
        const nameStart = this.#at;
        this.#at = this.#bytes.indexOf(0, nameStart) + 1;
        assert(this.#at > 0, "a changeset's table name has no end");
        const name = Buffer.from(this.#bytes.subarray(nameStart, this.#at - 1)).toString();
        tables.push({ name, header: this.#bytes.subarray(start, this.#at), records: [] });
      } else {
        const table = tables.at(-1);
        assert(table !== undefined, "a changeset starts with no table");
        table.records.push(this.#record(width));
      }
    }
    return tables;
  }

  #record(width: number): Uint8Array {
    const start = this.#at;
    const operation = this.#bytes[start] ?? 0;
    this.#at += 2;
    // A deletion has the old values, an insertion the new ones, an update both.
    for (let left = operation === UPDATE ? 2 * width : width; left > 0; left--) this.#skipValue();
    assert(operation >= 9 && operation <= UPDATE && operation !== INSERT + 1, "unknown change");
    // Whether a trigger touched the row first depends on what was rolled back: left out.
    this.#bytes[start + 1] = 0;
    return this.#bytes.subarray(start, this.#at);
  }

  #skipValue(): void {
    const type = this.#bytes[this.#at++];
    if (type === 1 || type === 2) this.#at += 8;
    else if (type === 3 || type === 4) {
      const size = this.#varint();
      this.#at += size;
    }
    assert(type !== undefined && this.#at <= this.#bytes.length, "a changeset ends too early");
  }

  /** SQLite's varint: most significant first; lengths here need at most 5 bytes. */
  #varint(): number {
    let value = 0;
    for (;;) {
      const byte = this.#bytes[this.#at++];
      assert(byte !== undefined, "a changeset ends too early");
      value = value * 128 + (byte & 0x7f);
      if (byte < 128) return value;
    }
  }
}
