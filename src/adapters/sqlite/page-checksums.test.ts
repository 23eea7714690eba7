import { expect, test } from "bun:test";
import {
  closeSync,
  copyFileSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  writeSync,
} from "node:fs";
import { backup, type DatabaseSync } from "node:sqlite";
import { errorCodeOf, SeededRandom } from "../../base/index.ts";
import { openConnection } from "./connection.ts";
import { CopyEngine } from "./copy-engine.ts";
import { freshPath, GUARD_PATH } from "./engine-fixture.ts";
import { throwIfCorrupt } from "./sql-error.ts";

const PAGE_SIZE = 4_096;
const RESERVED = 8;

function open(path: string): DatabaseSync {
  return openConnection(path, { guardPath: GUARD_PATH, readOnly: false, cacheSizeBytes: 65_536 });
}

/** Tables with an index, rows longer than a page, and freed pages; all of it in the database file. */
function filled(rowCount: number): string {
  const path = freshPath();
  const db = open(path);
  db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, b BLOB)");
  db.exec("CREATE INDEX t_v ON t (v)");
  const insert = db.prepare("INSERT INTO t (v, b) VALUES (?, ?)");
  for (let i = 0; i < rowCount; i++)
    insert.run(`value ${i * 7_919}`, new Uint8Array((i * 97) % 20_000).fill(i));
  db.exec("DELETE FROM t WHERE id % 5 = 0");
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  db.close();
  return path;
}

/** All that queries can see, or "damaged". */
function contentOf(path: string): string {
  let db: DatabaseSync | null = null;
  try {
    db = open(path);
    const rows = db.prepare("SELECT id, v, hex(b) FROM t ORDER BY id").all();
    const byIndex = db.prepare("SELECT v FROM t INDEXED BY t_v ORDER BY v").all();
    return JSON.stringify([rows, byIndex], (_, value) =>
      typeof value === "bigint" ? Number(value) : value,
    );
  } catch (error) {
    if (errorCodeOf(error) === "STATE_CORRUPT") return "damaged";
    try {
      throwIfCorrupt(error);
    } catch {
      return "damaged";
    }
    throw error;
  } finally {
    db?.close();
  }
}

function flip(path: string, offset: number, bit: number): void {
  const file = openSync(path, "r+");
  const byte = new Uint8Array(1);
  readSync(file, byte, 0, 1, offset);
  byte[0] = (byte[0] ?? 0) ^ (1 << bit);
  writeSync(file, byte, 0, 1, offset);
  closeSync(file);
}

test("a database file with one wrong bit anywhere is told as damaged, or gives what it did", () => {
  const path = filled(40);
  const whole = contentOf(path);
  const random = new SeededRandom(1);
  const sizeBytes = statSync(path).size;
  let damagedCount = 0;
  for (let i = 0; i < 300; i++) {
    const copy = freshPath();
    copyFileSync(path, copy);
    // The first flips are in the header.
    flip(copy, i < 100 ? i : random.below(sizeBytes), random.below(8));
    const content = contentOf(copy);
    if (content === "damaged") damagedCount++;
    else expect(content).toBe(whole);
  }
  expect(damagedCount).toBeGreaterThan(200);
});

test("a page that was written in another's place is damage", () => {
  const path = filled(40);
  const bytes = readFileSync(path);
  const whole = contentOf(path);
  for (const [from, to] of [
    [2, 3],
    [3, 2],
    [5, 9],
  ] as const) {
    const copy = freshPath();
    copyFileSync(path, copy);
    const file = openSync(copy, "r+");
    writeSync(file, bytes, from * PAGE_SIZE, PAGE_SIZE, to * PAGE_SIZE);
    closeSync(file);
    expect(["damaged", whole]).toContain(contentOf(copy));
  }
});

test("every page of a database and of a copy made by pages ends with its checksum", async () => {
  const path = filled(1_000);
  const db = open(path);
  // Part of what is copied is still in the WAL alone.
  db.exec("UPDATE t SET v = v || '!' WHERE id % 3 = 0");
  const target = freshPath();
  await backup(db, target, { rate: -1 });
  db.close();
  expect(contentOf(target)).toBe(contentOf(path));
  for (const file of [path, target]) {
    const bytes = readFileSync(file);
    expect(bytes[20]).toBe(RESERVED);
    for (let at = 0; at < bytes.length; at += PAGE_SIZE) {
      const page = bytes.subarray(at, at + PAGE_SIZE);
      const isHole = page.every((byte) => byte === 0);
      if (!isHole) expect(page.subarray(-RESERVED).some((byte) => byte !== 0)).toBe(true);
    }
  }
  expect(statSync(target).size).toBeGreaterThan(4 * 1_048_576);
});

test("checkPages() finds a damaged page that nothing has read, and only then", () => {
  const path = filled(1_000);
  const sizeBytes = statSync(path).size;
  const random = new SeededRandom(2);
  expect(allChecked(path)).toBe(true);
  for (let i = 0; i < 20; i++) {
    const copy = freshPath();
    copyFileSync(path, copy);
    flip(copy, PAGE_SIZE + random.below(sizeBytes - PAGE_SIZE), random.below(8));
    expect(allChecked(copy)).toBe(false);
  }
});

function allChecked(path: string): boolean {
  const engine = new CopyEngine({ path, guardPath: GUARD_PATH });
  try {
    for (let next: number | null = 1; next !== null; ) next = engine.checkPages(next);
    return true;
  } catch (error) {
    expect(errorCodeOf(error)).toBe("STATE_CORRUPT");
    return false;
  } finally {
    engine.close();
  }
}
