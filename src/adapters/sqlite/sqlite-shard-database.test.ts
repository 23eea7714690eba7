import { expect, test } from "bun:test";
import {
  closeSync,
  cpSync,
  existsSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { asGroupId, asLogIndex } from "../../base/index.ts";
import { partsOf } from "../../domain/replication/testing/parts-of.ts";
import { brief, freshDirectory, GUARD_PATH, sql } from "./engine-fixture.ts";
import { InlineHost } from "./inline-host.ts";
import { SqliteShardDatabase } from "./sqlite-shard-database.ts";
import {
  CLOCK,
  codeOf,
  context,
  databaseIn,
  filled,
  fresh,
  metaAt,
  READ,
  read,
  write,
} from "./testing/shard-database.ts";
import { WorkerHost } from "./worker-host.ts";

test("readers see committed data only, beside an open batch", async () => {
  const { db } = await filled(1);
  await db.runBatch(context(), partsOf(sql("DELETE FROM t")), { alone: false, deadlineMs: 0 });
  expect(await read(db, "SELECT count(*) FROM t")).toEqual([[1n]]);
  await db.commit(asLogIndex(3));
  expect(await read(db, "SELECT count(*) FROM t")).toEqual([[0n]]);
  await db.close();
});

test("every file is its owner's alone", async () => {
  const { db, directory } = await filled(10);
  const info = await db.createSnapshot(metaAt);
  const { db: other, directory: elsewhere } = await fresh();
  await other.installSnapshot(info, (offset, size) => db.readSnapshot(info.id, offset, size));
  for (const at of [directory, join(directory, "snapshots"), elsewhere]) {
    for (const entry of readdirSync(at, { withFileTypes: true })) {
      const mode = statSync(join(at, entry.name)).mode & 0o777;
      expect([entry.name, mode]).toEqual([entry.name, entry.isDirectory() ? 0o700 : 0o600]);
    }
  }
  await Promise.all([db.close(), other.close()]);
});

test("a reader follows schema changes", async () => {
  const { db } = await filled(1);
  expect(await read(db, "SELECT * FROM t LIMIT 0")).toEqual([]);
  await write(db, 3, sql("ALTER TABLE t ADD COLUMN c DEFAULT 'new'"), true);
  const { steps } = await db.query(sql("SELECT * FROM t").program, READ);
  expect(steps[0]).toMatchObject({
    ok: true,
    result: { columns: [{ name: "a" }, { name: "b" }, { name: "c" }] },
  });
  await db.close();
});

test("a snapshot reads one state until it is closed, and 64 may be open", async () => {
  const { db } = await filled(1);
  const open: number[] = [];
  for (let i = 0; i < 64; i++) open.push(await db.openSnapshot());
  expect(await codeOf(db.openSnapshot())).toBe("OVERLOADED");
  await write(db, 3, sql("DELETE FROM t"));
  const count = sql("SELECT count(*) FROM t").program;
  const old = await db.query(count, { ...READ, snapshot: open[0]! });
  expect(brief(old.steps)).toEqual([[[1n]]]);
  for (const id of open) await db.closeSnapshot(id);
  expect(await codeOf(db.query(count, { ...READ, snapshot: open[0]! }))).toBe("CLOSED");
  await db.close();
});

test("a snapshot of a copy that was replaced is gone: nobody goes on in, or closes, another's", async () => {
  const { db } = await filled(1);
  const before = await db.openSnapshot();
  await db.reset();
  const after = await db.openSnapshot();
  const count = sql("SELECT count(*) FROM sqlite_schema WHERE name = 't'").program;
  expect(await codeOf(db.query(count, { ...READ, snapshot: before }))).toBe("CLOSED");
  await db.closeSnapshot(before);
  const { steps } = await db.query(count, { ...READ, snapshot: after });
  expect(brief(steps)).toEqual([[[0n]]]);
  await db.close();
});

test("a read that takes too long is interrupted, one that writes is refused", async () => {
  const { db } = await filled(1);
  const endless =
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";
  const late = await db.query(sql(endless).program, { ...READ, deadlineMs: 50 });
  expect(brief(late.steps)).toEqual(["SQLITE_INTERRUPT"]);
  expect(await read(db, "DELETE FROM t")).toBe("SQLITE_READONLY");
  const asWriter = await db.query(sql("DELETE FROM t").program, { ...READ, role: "write" });
  expect(brief(asWriter.steps)).toEqual(["SQLITE_READONLY"]);
  await db.close();
});

test("a snapshot installed elsewhere is the same database, and says where it came from", async () => {
  const { db } = await filled(5_000);
  const info = await db.createSnapshot(metaAt);
  const { db: other, directory } = await fresh();
  expect(await read(other, "SELECT 1")).toEqual([[1n]]);
  const position = await other.installSnapshot(info, (offset, size) =>
    db.readSnapshot(info.id, offset, size),
  );
  expect(position).toMatchObject({ appliedIndex: asLogIndex(2), installed: metaAt(asLogIndex(2)) });
  expect(await other.hashTable("t")).toEqual(await db.hashTable("t"));
  expect(await read(other, "SELECT count(*) FROM t")).toEqual([[5000n]]);
  await write(other, 3, sql("DELETE FROM t WHERE a > 10"));
  await other.close();
  const again = databaseIn(directory, new InlineHost());
  expect(await again.open()).toMatchObject({
    appliedIndex: asLogIndex(3),
    installed: metaAt(asLogIndex(2)),
  });
  await again.close();
  await db.releaseSnapshot(info.id);
  expect(await codeOf(db.readSnapshot(info.id, 0, 10))).toBe("CLOSED");
  expect(readdirSync(directory).sort()).toEqual(["2.sqlite", "current", "snapshots"]);
  await db.close();
});

test("a snapshot with one wrong bit, cut short or overlong is refused and leaves the database as it was", async () => {
  const { db } = await filled(500);
  const info = await db.createSnapshot(metaAt);
  const { db: other, directory } = await filled(1);
  const honest = (offset: number, size: number) => db.readSnapshot(info.id, offset, size);
  const flipped = async (offset: number, size: number) => {
    const chunk = await honest(offset, size);
    chunk[Math.floor(chunk.length / 2)]! ^= 4;
    return chunk;
  };
  const short = async () => new Uint8Array(0);
  const long = async (_offset: number, size: number) => new Uint8Array(size + 1);
  for (const readChunk of [flipped, short, long]) {
    expect(await codeOf(other.installSnapshot(info, readChunk))).toBe("MALFORMED");
  }
  const early = { ...info, meta: { ...info.meta, index: asLogIndex(1) } };
  expect(await codeOf(other.installSnapshot(early, honest))).toBe("MALFORMED");
  expect(await read(other, "SELECT count(*) FROM t")).toEqual([[1n]]);
  expect(readdirSync(directory).filter((name) => name.includes("incoming"))).toEqual([]);
  await other.close();
  await db.close();
});

test("a crash at any step of an installation leaves the old or the new database, whole", async () => {
  const { db } = await filled(300);
  const info = await db.createSnapshot(metaAt);
  const { db: old, directory } = await filled(1);
  await old.close();
  // What the directory holds after each step: the file half written, written, renamed, and pointed at.
  const full = await db.readSnapshot(info.id, 0, info.sizeBytes);
  const steps = [
    (at: string) => writeFileSync(join(at, "2.incoming"), full.subarray(0, 9_000)),
    (at: string) => writeFileSync(join(at, "2.incoming"), full),
    (at: string) => writeFileSync(join(at, "2.sqlite"), full),
    (at: string) => writeFileSync(join(at, "current.next"), "2\n"),
  ];
  for (let done = 1; done <= steps.length; done++) {
    const at = freshDirectory();
    cpSync(directory, at, { recursive: true });
    for (const step of steps.slice(0, done)) step(at);
    const crashed = databaseIn(at, new InlineHost());
    await crashed.open();
    expect(await read(crashed, "SELECT count(*) FROM t")).toEqual([[1n]]);
    await crashed.close();
    expect(existsSync(join(at, "2.sqlite"))).toBe(false);
  }
  await db.close();
});

test("reset throws everything away, also where the file is damaged", async () => {
  const { db, directory } = await filled(10);
  await db.close();
  writeFileSync(
    join(directory, "1.sqlite"),
    "this is no database, but it is long enough to be read as one".repeat(90),
  );
  for (const extra of ["1.sqlite-wal", "1.sqlite-shm"])
    rmSync(join(directory, extra), { force: true });
  const again = databaseIn(directory, new InlineHost());
  expect(await codeOf(again.open())).toBe("STATE_CORRUPT");
  expect(await again.reset()).toMatchObject({ appliedIndex: asLogIndex(0) });
  expect(await again.tables()).toEqual(["sqlite_schema"]);
  await again.close();
});

test("lost files are told: no pointer, no database", async () => {
  const { db, directory } = await filled(10);
  await db.close();
  rmSync(join(directory, "current"));
  const again = databaseIn(directory, new InlineHost());
  expect(await codeOf(again.open())).toBe("STATE_CORRUPT");
  writeFileSync(join(directory, "current"), "7\n");
  expect(await codeOf(again.open())).toBe("STATE_CORRUPT");
  writeFileSync(join(directory, "current"), "rubbish");
  expect(await codeOf(again.open())).toBe("STATE_CORRUPT");
});

test("a damaged page is STATE_CORRUPT for who meets it, reader and writer", async () => {
  const { db, directory } = await filled(3_000);
  await db.close();
  const file = openSync(join(directory, "1.sqlite"), "r+");
  for (let page = 10; page < 60; page++)
    writeSync(file, Buffer.alloc(512, 0xee), 0, 512, page * 4_096);
  closeSync(file);
  const again = databaseIn(directory, new InlineHost());
  await again.open();
  expect(await codeOf(again.query(sql("SELECT sum(length(b)) FROM t").program, READ))).toBe(
    "STATE_CORRUPT",
  );
  expect(await codeOf(again.hashTable("t"))).toBe("STATE_CORRUPT");
  expect(await codeOf(write(again, 3, sql("UPDATE t SET b = 'x'")))).toBe("STATE_CORRUPT");
  expect(await codeOf(again.rollback())).toBe(undefined);
  await again.close();
});

test("below the reserve writes are refused with SQLITE_FULL, reads and committed entries go on", async () => {
  const { db, directory } = await filled(5);
  await db.close();
  const low = databaseIn(directory, new InlineHost(), 2 ** 60);
  await low.open();
  const refused = await write(low, 3, sql("DELETE FROM t"));
  expect(refused.kind).toBe("unchanged");
  expect(brief(refused.result.steps)).toEqual(["SQLITE_FULL"]);
  expect(brief((await write(low, 3, sql("SELECT count(*) FROM t"))).result.steps)).toEqual([
    [[5n]],
  ]);
  expect(await codeOf(low.beginInteractive(context(), "write"))).toBe("DISK_FULL");
  await low.apply([
    { index: asLogIndex(3), context: context(), parts: partsOf(sql("DELETE FROM t")) },
  ]);
  expect(await read(low, "SELECT count(*) FROM t")).toEqual([[0n]]);
  await low.close();
});

test("hashTable sees the writes called before it and none called later", async () => {
  const { db } = await filled(50, new WorkerHost(CLOCK));
  const before = await db.hashTable("t");
  const hash = db.hashTable("t");
  const later = write(db, 3, sql("DELETE FROM t WHERE a = 1"));
  expect(await hash).toEqual(before);
  await later;
  expect(await db.hashTable("t")).not.toEqual(before);
  expect(await codeOf(db.hashTable("none"))).toBe("BAD_ARGUMENT");
  await db.close();
});

test("a table is hashed in many calls, one table at a time, and gives way to a replacement", async () => {
  const { db } = await filled(1, new WorkerHost(CLOCK));
  const grow = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60) ";
  await write(db, 3, sql("CREATE TABLE big (a INTEGER PRIMARY KEY, b BLOB)"), true);
  await write(db, 4, sql(`${grow} INSERT INTO big SELECT i, zeroblob(100000) FROM n`));
  const hash = await db.hashTable("big");
  expect(await db.hashTable("big")).toEqual(hash);
  const first = db.hashTable("big");
  expect(await codeOf(db.hashTable("t"))).toBe("OVERLOADED");
  expect(await first).toEqual(hash);
  const schema = await db.hashTable("sqlite_schema");
  const late = db.hashTable("big");
  const reset = db.reset();
  expect(["CLOSED", undefined]).toContain(await codeOf(late));
  await reset;
  expect(await db.hashTable("sqlite_schema")).not.toEqual(schema);
  expect(await codeOf(db.hashTable("big"))).toBe("BAD_ARGUMENT");
  await db.close();
});

test("on Workers: batches in order, commit with the next batch, snapshots and checkpoints beside them", async () => {
  const host = new WorkerHost(CLOCK);
  const { db } = await filled(10, host);
  const options = { alone: false, deadlineMs: 2_000 };
  const work: Promise<unknown>[] = [];
  for (let index = 3; index < 103; index++) {
    work.push(db.runBatch(context(), partsOf(sql("INSERT INTO t (b) VALUES ('x')")), options));
    work.push(db.commit(asLogIndex(index)));
  }
  const checkpoint = db.checkpoint();
  const snapshot = db.createSnapshot(metaAt);
  await Promise.all(work);
  expect(await read(db, "SELECT count(*) FROM t")).toEqual([[110n]]);
  expect(Number(await checkpoint)).toBeGreaterThanOrEqual(2);
  expect(Number(await db.checkpoint())).toBe(102);
  const info = await snapshot;
  expect(info.sizeBytes).toBeGreaterThan(0);
  await db.close();
  await host.close();
  expect(await codeOf(db.tables())).toBe("CLOSED");
});

test("two shards share the Workers and stay apart, interactive transactions included", async () => {
  const host = new WorkerHost(CLOCK);
  const { db } = await filled(1, host);
  const directory = freshDirectory();
  const options = { shard: asGroupId("system"), directory, guardPath: GUARD_PATH, reserveBytes: 0 };
  const system = new SqliteShardDatabase(host, options);
  await system.open();
  const pinned = context();
  await db.beginInteractive(pinned, "write");
  await db.stepInteractive(sql("BEGIN", "INSERT INTO t (b) VALUES ('mine')").program, 1_000);
  await write(system, 1, sql("CREATE TABLE s (a)"), true);
  const end = await db.stepInteractive(
    sql("SELECT unixepoch('subsec') * 1000", "COMMIT").program,
    1_000,
  );
  expect(brief(end.steps)[0]).toEqual([[pinned.timeMs]]);
  const sealed = await db.sealInteractive(
    sql("BEGIN", "INSERT INTO t (b) VALUES ('mine')", "COMMIT"),
  );
  expect(sealed.outcomes[0]?.kind).toBe("applied");
  await db.commit(asLogIndex(3));
  expect(await db.tables()).toEqual(["sqlite_schema", "t"]);
  expect(await system.tables()).toEqual(["sqlite_schema", "s"]);
  await Promise.all([db.close(), system.close()]);
  await host.close();
});

test("reads, copies and checkpoints around an installation see the old or the new database, never a stale one", async () => {
  const host = new WorkerHost(CLOCK);
  const { db } = await filled(200);
  const info = await db.createSnapshot(metaAt);
  const { db: other } = await filled(1, host);
  const counts: Promise<unknown>[] = [];
  const count = () => counts.push(read(other, "SELECT count(*) FROM t"));
  count();
  const chunks = async (offset: number, size: number) => {
    count();
    return await db.readSnapshot(info.id, offset, size);
  };
  const installed = other.installSnapshot(info, chunks);
  const beside = [other.checkpoint(), other.tables(), other.openSnapshot()];
  // A hash that the installation overtakes is refused: it would be of neither database.
  const hash = other.hashTable("t").catch((error: unknown) => error);
  for (let i = 0; i < 20; i++) {
    count();
    await Promise.race([installed, counts.at(-1)]);
  }
  await installed;
  await Promise.all(beside);
  const hashed = await hash;
  if (hashed instanceof Uint8Array) expect(hashed).toHaveLength(32);
  else expect(hashed).toMatchObject({ code: "CLOSED" });
  for (const rows of await Promise.all(counts)) {
    expect(["1", "200"]).toContain(String((rows as bigint[][])[0]![0]));
  }
  expect(await read(other, "SELECT count(*) FROM t")).toEqual([[200n]]);
  await Promise.all([db.close(), other.close()]);
  await host.close();
});
