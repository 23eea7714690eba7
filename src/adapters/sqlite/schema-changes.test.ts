import { expect, test } from "bun:test";
import { brief, leaderWith, Replica, request, rowsOf, sql, step } from "./engine-fixture.ts";

const KEYED = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE)";

test("schema changes ask for a transaction of their own", () => {
  const leader = new Replica();
  const options = { alone: false, deadlineMs: 0 };
  const outcome = leader.engine.runBatch(leader.context(), [sql(KEYED), sql("SELECT 1")], options);
  expect(outcome.outcomes.map(({ kind }) => kind)).toEqual(["alone", "unchanged"]);
});

test("deferred keys are checked where the client commits", () => {
  const leader = leaderWith(
    "CREATE TABLE p (id INTEGER PRIMARY KEY)",
    "CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED)",
  );
  const key = "SQLITE_CONSTRAINT_FOREIGNKEY";
  expect(brief(leader.run(sql("INSERT INTO c VALUES (1, 9)", "SELECT count(*) FROM c")))).toEqual([
    key,
    [[0n]],
  ]);
  const late = [
    "BEGIN",
    "INSERT INTO c VALUES (1, 9)",
    "COMMIT",
    "INSERT INTO p VALUES (9)",
    "COMMIT",
  ];
  expect(brief(leader.run(sql(...late)))).toEqual([0, 1, key, 1, 0]);
  expect(rowsOf(leader, "SELECT count(*) FROM c")).toEqual([[1n]]);
});

test("foreign keys are on, and PRAGMA foreign_keys turns them off for one request", () => {
  const leader = leaderWith(
    "CREATE TABLE p (id INTEGER PRIMARY KEY)",
    "CREATE TABLE c (p REFERENCES p (id))",
  );
  const key = "SQLITE_CONSTRAINT_FOREIGNKEY";
  expect(brief(leader.run(sql("INSERT INTO c VALUES (1)")))).toEqual([key]);
  expect(
    brief(
      leader.run(
        sql("PRAGMA foreign_keys = OFF", "INSERT INTO c VALUES (1)", "PRAGMA foreign_keys"),
      ),
    ),
  ).toEqual([0, 1, [[0n]]]);
  expect(
    brief(leader.run(sql("BEGIN", "PRAGMA foreign_keys = OFF", "INSERT INTO c VALUES (2)"))),
  ).toEqual([0, 0, key]);
  expect(brief(leader.run(sql("INSERT INTO c VALUES (3)")))).toEqual([key]);
});

test("a table rebuild as ORMs do it keeps the rows that point at the table", () => {
  const leader = leaderWith(
    "CREATE TABLE p (id INTEGER PRIMARY KEY)",
    "CREATE TABLE c (p REFERENCES p (id) ON DELETE CASCADE)",
  );
  leader.run(sql("INSERT INTO p VALUES (1)", "INSERT INTO c VALUES (1)"));
  const rebuild = [
    "PRAGMA foreign_keys=OFF",
    "BEGIN",
    "CREATE TABLE __new_p (id INTEGER PRIMARY KEY, name TEXT DEFAULT 'n' NOT NULL)",
    "INSERT INTO __new_p (id) SELECT id FROM p",
    "DROP TABLE p",
    "ALTER TABLE __new_p RENAME TO p",
    "COMMIT",
    "PRAGMA foreign_keys=ON",
  ];
  expect(leader.run(sql(...rebuild)).every((outcome) => outcome?.ok)).toBe(true);
  expect(rowsOf(leader, "SELECT p.id, name FROM p JOIN c ON c.p = p.id")).toEqual([[1n, "n"]]);
  const follower = new Replica();
  expect(follower.engine.apply(leader.log).map(String)).toEqual(leader.digests.map(String));
});

test("every schema change of this SQLite runs, and followers agree", () => {
  const leader = new Replica();
  const changes = [
    "CREATE TABLE p (id INTEGER PRIMARY KEY, n TEXT, q INT)",
    "CREATE INDEX pi ON p (n)",
    "CREATE VIEW v AS SELECT n FROM p",
    "CREATE TRIGGER tr AFTER INSERT ON p BEGIN SELECT new.n; END",
    "ALTER TABLE p RENAME COLUMN n TO m",
    "ALTER TABLE p ADD COLUMN z DEFAULT 1",
    "ALTER TABLE p DROP COLUMN z",
    "ALTER TABLE p RENAME TO pp",
    "ALTER TABLE pp ALTER COLUMN m SET NOT NULL",
    "ALTER TABLE pp ADD CONSTRAINT cc CHECK (q > 1)",
    "ALTER TABLE pp DROP CONSTRAINT cc",
    "CREATE VIRTUAL TABLE f USING fts5 (a)",
    "ALTER TABLE f RENAME TO ff",
    "DROP TABLE ff",
    "CREATE VIRTUAL TABLE f4 USING fts4 (a)",
    "CREATE VIRTUAL TABLE r USING rtree (id, a, b)",
    "CREATE TABLE copy AS SELECT * FROM pp",
    "INSERT INTO pp VALUES (1, 'x', 2)",
    "ANALYZE",
    "REINDEX",
    "PRAGMA optimize",
    "PRAGMA user_version = 7",
    "DROP VIEW v",
    "DROP INDEX pi",
    "DROP TRIGGER tr",
  ];
  for (const change of changes) {
    const [outcome] = leader.run(sql(change));
    expect([change, outcome]).toMatchObject([change, { ok: true }]);
  }
  expect(rowsOf(leader, "PRAGMA user_version")).toEqual([[7n]]);
  const follower = new Replica();
  expect(follower.engine.apply(leader.log).map(String)).toEqual(leader.digests.map(String));
  expect(follower.tableHashes()).toEqual(leader.tableHashes());
});

test("what belongs to the store or to one connection is refused with the reason", () => {
  const leader = leaderWith(KEYED);
  for (const text of [
    "ATTACH 'x' AS y",
    "DETACH main",
    "VACUUM",
    "CREATE TEMP TABLE q (a)",
    "CREATE TABLE _mycelium_x (a)",
    "ALTER TABLE t RENAME TO _mycelium_x",
    "DELETE FROM _mycelium_result",
    "SELECT * FROM _mycelium_result",
    "DROP TABLE _mycelium_position",
    "CREATE TRIGGER z AFTER INSERT ON _mycelium_result BEGIN SELECT 1; END",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA writable_schema = ON",
    "CREATE VIRTUAL TABLE g USING geopoly (a)",
  ]) {
    const [outcome] = leader.run(sql(text));
    expect([text, outcome?.ok]).toEqual([text, false]);
  }
  expect(brief(leader.run(sql("UPDATE sqlite_schema SET sql = ''")))).toEqual(["SQLITE_ERROR"]);
  expect(brief(leader.run(request([step("DELETE FROM t")], "read")))).toEqual(["SQLITE_READONLY"]);
  expect(brief(leader.run(sql("SELECT 1; SELECT 2")))).toEqual(["SQLITE_ERROR"]);
});

test("the system role keeps its tables, and users' tables stay theirs", () => {
  const leader = leaderWith(KEYED);
  const make = request([step("CREATE TABLE _mycelium_member (id)")], "system");
  expect(brief(leader.run(make))).toEqual([0]);
  expect(
    brief(leader.run(request([step("INSERT INTO _mycelium_member VALUES (1)")], "system"))),
  ).toEqual([1]);
  expect(brief(leader.run(sql("ALTER TABLE t ADD COLUMN c")))).toEqual([0]);
  expect(brief(leader.run(request([step("DELETE FROM _mycelium_result")], "system")))).toEqual([
    "SQLITE_AUTH",
  ]);
});

test("tools may look at the schema, as PRAGMAs and as tables, in reads of every role", () => {
  const leader = leaderWith(KEYED, "CREATE INDEX i ON t (b, a)");
  const queries = [
    "PRAGMA table_info(t)",
    "PRAGMA main.table_xinfo('t')",
    "PRAGMA index_list(t)",
    "PRAGMA foreign_key_list(t)",
    "PRAGMA foreign_key_check",
    "PRAGMA integrity_check",
    "SELECT name, type, pk FROM pragma_table_info('t')",
    "SELECT m.name, p.name FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.name = 't'",
    "SELECT * FROM pragma_index_list('t')",
    "SELECT value FROM json_each('[1, 2]')",
    "EXPLAIN QUERY PLAN SELECT * FROM t WHERE b = 1",
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 3) SELECT x FROM c",
    "VALUES (1), (2)",
  ];
  for (const query of queries) {
    for (const role of ["read", "write", "system"] as const) {
      const [outcome] = leader.run(request([step(query)], role));
      expect([query, role, outcome]).toMatchObject([query, role, { ok: true }]);
    }
  }
});

test("a schema change that is refused does not reach the log", () => {
  const leader = leaderWith(KEYED);
  const logged = leader.log.length;
  for (const text of [
    "CREATE TABLE t (a)",
    "CREATE TEMP TABLE x (a)",
    "DROP TABLE nowhere",
    "CREATE",
  ]) {
    expect(leader.lead([sql(text)]).outcomes[0]?.kind).toBe("unchanged");
  }
  const asReader = request([step("DROP TABLE t")], "read");
  expect(leader.lead([asReader]).outcomes[0]?.kind).toBe("unchanged");
  expect(leader.log.length).toBe(logged);
});

test("nothing is made in the schema of temporary things, which one connection of one replica would have", () => {
  const leader = leaderWith("CREATE TABLE t (a)");
  for (const made of [
    "CREATE TABLE temp.t (a)",
    "CREATE TEMP TABLE t (a)",
    "CREATE VIEW temp.t AS SELECT 1",
    "CREATE TRIGGER temp.x AFTER INSERT ON t BEGIN DELETE FROM t; END",
    "CREATE VIRTUAL TABLE temp.f USING fts5(a)",
  ]) {
    expect([made, brief(leader.run(sql(made)))]).toEqual([made, ["SQLITE_AUTH"]]);
  }
  leader.run(sql("INSERT INTO t VALUES (1)"));
  expect(rowsOf(leader, "SELECT a FROM main.t")).toEqual([[1n]]);
});
