import { expect, test } from "bun:test";
import { DatabaseSync } from "node:sqlite";
import { classifyFunction, classifyModule } from "../../domain/sql/index.ts";
import { openConnection } from "./connection.ts";
import { brief, freshPath, GUARD_PATH, Replica, sql } from "./engine-fixture.ts";

const OPTIONS = { guardPath: GUARD_PATH, readOnly: false, cacheSizeBytes: 65_536 };

function names(query: string): string[] {
  const db = openConnection(freshPath(), OPTIONS);
  try {
    return (db.prepare(query).all() as unknown as [string][]).map(([name]) => name);
  } finally {
    db.close();
  }
}

test("every function of this SQLite is classified", () => {
  const functions = names("SELECT DISTINCT name FROM pragma_function_list ORDER BY name");
  expect(functions.length).toBeGreaterThan(150);
  expect(functions.filter((name) => classifyFunction(name) === undefined)).toEqual([]);
});

test("every virtual table module of this SQLite is classified", () => {
  const modules = names("SELECT name FROM pragma_module_list");
  expect(modules.length).toBeGreaterThan(8);
  expect(modules.filter((name) => classifyModule(name) === undefined)).toEqual([]);
});

test("collations are the three built in, which compare bytes", () => {
  expect(names("SELECT name FROM pragma_collation_list ORDER BY name")).toEqual([
    "BINARY",
    "NOCASE",
    "RTRIM",
  ]);
});

test("what differs between replicas is refused in a write, also in a trigger, and allowed in a read", () => {
  const leader = new Replica();
  leader.run(sql("CREATE TABLE t (a)", "CREATE TABLE log (b)"));
  for (const expression of ["sqlite_version()", "pow(2, 0.5)", "sqlite_source_id()", "median(1)"]) {
    expect(brief(leader.run(sql(`INSERT INTO t SELECT ${expression}`)))).toEqual(["SQLITE_AUTH"]);
    const [outcome] = leader.run(sql(`SELECT ${expression}`));
    expect(outcome?.ok).toBe(true);
  }
  leader.run(sql("CREATE TRIGGER x AFTER INSERT ON t BEGIN INSERT INTO log VALUES (sin(1)); END"));
  expect(brief(leader.run(sql("INSERT INTO t VALUES (1)")))).toEqual(["SQLITE_AUTH"]);
  expect(brief(leader.run(sql("INSERT INTO log SELECT name FROM dbstat")))).toEqual([
    "SQLITE_AUTH",
  ]);
  const pragma = "INSERT INTO log SELECT name FROM pragma_function_list";
  expect(brief(leader.run(sql(pragma)))).toEqual(["SQLITE_AUTH"]);
});

test("loading code and the guard's own functions are refused even in reads", () => {
  const leader = new Replica();
  for (const call of [
    "load_extension('x')",
    "fts3_tokenizer('simple')",
    "mycelium_unpin()",
    "mycelium_deadline(0)",
  ]) {
    expect(brief(leader.run(sql(`SELECT ${call}`)))).toEqual(["SQLITE_AUTH"]);
  }
});

test("local time is UTC, whatever the machine's zone", () => {
  const before = process.env["TZ"];
  process.env["TZ"] = "America/New_York";
  const db = openConnection(freshPath(), OPTIONS);
  try {
    const query = "SELECT datetime(0, 'unixepoch', 'localtime'), datetime('2020-01-01', 'utc')";
    const row = db.prepare(query).get() as unknown as string[];
    expect(row).toEqual(["1970-01-01 00:00:00", "2020-01-01 00:00:00"]);
  } finally {
    db.close();
    if (before === undefined) delete process.env["TZ"];
    else process.env["TZ"] = before;
  }
});

test("pinned time reaches every date function, and only the pinned connection's thread while it is pinned", () => {
  const db = openConnection(freshPath(), OPTIONS);
  const pinned = Date.UTC(2021, 4, 6, 7, 8, 9, 123);
  db.prepare("SELECT mycelium_pin(?, ?)").get(BigInt(pinned), new Uint8Array(16));
  const sqlText = `SELECT strftime('%Y-%m-%d %H:%M:%f', 'now'), CURRENT_TIMESTAMP, CURRENT_DATE,
    CURRENT_TIME, unixepoch('subsec'), time(), unixepoch(julianday())`;
  const row = db.prepare(sqlText).get() as unknown as unknown[];
  expect(row).toEqual([
    "2021-05-06 07:08:09.123",
    "2021-05-06 07:08:09",
    "2021-05-06",
    "07:08:09",
    pinned / 1_000,
    "07:08:09",
    BigInt(Math.floor(pinned / 1_000)),
  ]);
  db.exec("SELECT mycelium_unpin()");
  const [now] = db.prepare("SELECT unixepoch()").get() as unknown as [bigint];
  expect(Number(now)).toBeGreaterThan(pinned / 1_000 + 1e8);
  db.close();
});

test("random numbers follow seed and request, and rowids that SQLite draws by lot do too", () => {
  const draw = (seed: number, ordinal: bigint) => {
    const db = openConnection(freshPath(), OPTIONS);
    db.exec("CREATE TABLE t (a INTEGER PRIMARY KEY, b)");
    db.exec("INSERT INTO t VALUES (9223372036854775807, 0)");
    db.prepare("SELECT mycelium_pin(0, ?)").get(new Uint8Array(16).fill(seed));
    db.prepare("SELECT mycelium_request(?)").get(ordinal);
    db.exec("INSERT INTO t (b) VALUES (1)");
    const query = "SELECT random(), hex(randomblob(40)), (SELECT min(a) FROM t)";
    const row = db.prepare(query).get() as unknown as unknown[];
    db.close();
    return row.map(String);
  };
  expect(draw(1, 0n)).toEqual(draw(1, 0n));
  for (const other of [draw(2, 0n), draw(1, 1n)]) {
    for (const [i, value] of draw(1, 0n).entries()) expect(other[i]).not.toBe(value);
  }
});

test("the random stream is ChaCha20", () => {
  const db = new DatabaseSync(":memory:", { allowExtension: true, returnArrays: true });
  db.loadExtension(GUARD_PATH);
  db.prepare("SELECT mycelium_pin(0, ?)").get(new Uint8Array(16));
  db.prepare("SELECT mycelium_request(0)").get();
  const [hex] = db.prepare("SELECT hex(randomblob(32))").get() as unknown as [string];
  db.close();
  // Key and nonce zero, 128-bit key, 20 rounds: draft-strombergson-chacha-test-vectors, TC1.
  expect(hex).toBe("89670952608364FD00B2F90936F031C8E756E15DBA04B8493D00429259B20F46");
});
