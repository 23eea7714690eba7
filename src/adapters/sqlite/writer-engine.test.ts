import { expect, test } from "bun:test";
import { brief, Replica, request, sql, step } from "./engine-fixture.ts";

const KEYED = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE)";

function leaderWith(...schema: string[]): Replica {
  const leader = new Replica();
  for (const outcome of leader.run(sql(...schema))) expect(outcome).toMatchObject({ ok: true });
  return leader;
}

function rowsOf(leader: Replica, query: string): unknown {
  return brief(leader.run(sql(query)))[0];
}

test("statements outside a transaction stand alone: a failing one does not undo earlier ones", () => {
  const leader = leaderWith(KEYED);
  const outcomes = leader.run(
    sql(
      "INSERT INTO t VALUES (1, 'x')",
      "INSERT INTO t VALUES (1, 'y')",
      "INSERT INTO t VALUES (2, 'y')",
    ),
  );
  expect(brief(outcomes)).toEqual([1, "SQLITE_CONSTRAINT_PRIMARYKEY", 1]);
  expect(rowsOf(leader, "SELECT * FROM t")).toEqual([
    [1n, "x"],
    [2n, "y"],
  ]);
});

test("errors carry SQLite's extended codes and words", () => {
  const leader = leaderWith(KEYED, "CREATE TABLE n (a NOT NULL CHECK (a > 1))");
  leader.run(sql("INSERT INTO t VALUES (1, 'x')"));
  const errors = leader.run(
    sql(
      "INSERT INTO t VALUES (2, 'x')",
      "INSERT INTO n VALUES (NULL)",
      "INSERT INTO n VALUES (0)",
      "SELEC",
    ),
  );
  expect(errors.map((outcome) => (outcome?.ok === false ? outcome.error : null))).toEqual([
    {
      code: "SQLITE_CONSTRAINT_UNIQUE",
      extendedCode: 2067,
      message: "UNIQUE constraint failed: t.b",
    },
    {
      code: "SQLITE_CONSTRAINT_NOTNULL",
      extendedCode: 1299,
      message: "NOT NULL constraint failed: n.a",
    },
    {
      code: "SQLITE_CONSTRAINT_CHECK",
      extendedCode: 275,
      message: "CHECK constraint failed: a > 1",
    },
    { code: "SQLITE_ERROR", extendedCode: 1, message: 'near "SELEC": syntax error' },
  ]);
});

test("BEGIN, ROLLBACK, COMMIT and savepoints do what they do in SQLite", () => {
  const leader = leaderWith(KEYED);
  const outcomes = leader.run(
    sql(
      "BEGIN IMMEDIATE",
      "INSERT INTO t VALUES (1, 'x')",
      "ROLLBACK",
      "SAVEPOINT one",
      "INSERT INTO t VALUES (2, 'x')",
      "SAVEPOINT Two",
      "INSERT INTO t VALUES (3, 'y')",
      "ROLLBACK TO two",
      "RELEASE one",
      "COMMIT",
      "BEGIN",
      "BEGIN",
      "END TRANSACTION",
    ),
  );
  const error = "SQLITE_ERROR";
  expect(brief(outcomes)).toEqual([0, 1, 0, 0, 1, 0, 1, 0, 0, error, 0, error, 0]);
  expect(rowsOf(leader, "SELECT * FROM t")).toEqual([[2n, "x"]]);
});

test("a transaction the program leaves open is rolled back", () => {
  const leader = leaderWith(KEYED);
  const outcome = leader.lead([sql("BEGIN", "INSERT INTO t VALUES (1, 'x')")]);
  expect(outcome.outcomes[0]).toMatchObject({ kind: "unchanged", result: { autocommit: true } });
  expect(rowsOf(leader, "SELECT count(*) FROM t")).toEqual([[0n]]);
});

test("conditions choose steps by how earlier ones ended", () => {
  const leader = leaderWith(KEYED);
  const outcomes = leader.run(
    request([
      step("INSERT INTO t VALUES (1, 'x')"),
      step("INSERT INTO t VALUES (1, 'y')", [], { type: "ok", step: 0 }),
      step("SELECT 'failed'", [], { type: "error", step: 1 }),
      step("SELECT 'never'", [], { type: "and", conds: [{ type: "ok", step: 1 }] }),
      step("SELECT 'not'", [], { type: "not", cond: { type: "ok", step: 1 } }),
      step("SELECT 'open'", [], { type: "not", cond: { type: "is_autocommit" } }),
    ]),
  );
  expect(brief(outcomes)).toEqual([
    1,
    "SQLITE_CONSTRAINT_PRIMARYKEY",
    [["failed"]],
    null,
    [["not"]],
    null,
  ]);
});

test("a request is applied once: its id brings back the first result", () => {
  const leader = leaderWith(KEYED);
  const insert = request([step("INSERT INTO t (b) VALUES ('x') RETURNING a")], "write", "same");
  const both = leader.lead([insert, insert]);
  expect(both.outcomes.map(({ kind }) => kind)).toEqual(["applied", "replayed"]);
  const later = leader.lead([insert]);
  expect(later.outcomes[0]?.kind).toBe("replayed");
  expect(later.outcomes[0]?.result).toEqual(both.outcomes[0]!.result);
  expect(rowsOf(leader, "SELECT count(*) FROM t")).toEqual([[1n]]);
});

test("ids are forgotten ten minutes of pinned time later, and survive a restart before", () => {
  const leader = leaderWith(KEYED);
  const insert = request(
    [step("INSERT OR IGNORE INTO t (b) VALUES (hex(randomblob(4)))")],
    "write",
    "x",
  );
  leader.lead([insert]);
  leader.engine.close();
  const reopened = leader.open();
  const again = reopened.runBatch(leader.context(), [insert], { alone: false, deadlineMs: 0 });
  expect(again.outcomes[0]?.kind).toBe("replayed");
  for (const [index, lateMs] of [601_000, 1_000].entries()) {
    const context = leader.context(lateMs);
    reopened.runBatch(context, [sql("INSERT INTO t DEFAULT VALUES")], {
      alone: false,
      deadlineMs: 0,
    });
    reopened.commit((leader.log.length + index + 1) as never);
  }
  const late = reopened.runBatch(leader.context(), [insert], { alone: false, deadlineMs: 0 });
  expect(late.outcomes[0]?.kind).toBe("applied");
  reopened.close();
});

test("schema changes ask for a transaction of their own", () => {
  const leader = new Replica();
  const options = { alone: false, deadlineMs: 0 };
  const outcome = leader.engine.runBatch(leader.context(), [sql(KEYED), sql("SELECT 1")], options);
  expect(outcome.outcomes.map(({ kind }) => kind)).toEqual(["alone", "unchanged"]);
});

test("what ends the transaction in SQLite fails alone and leaves the others", () => {
  const leader = leaderWith(
    KEYED,
    "CREATE TRIGGER no BEFORE INSERT ON t WHEN new.a = 13 BEGIN SELECT RAISE(ROLLBACK, 'unlucky'); END",
  );
  const outcome = leader.lead([
    sql("INSERT INTO t VALUES (1, 'x')"),
    sql(
      "INSERT INTO t VALUES (2, 'y')",
      "INSERT OR ROLLBACK INTO t VALUES (1, 'z')",
      "INSERT INTO t VALUES (3, 'z')",
    ),
    sql(
      "BEGIN",
      "INSERT INTO t VALUES (4, 'a')",
      "INSERT INTO t VALUES (13, 'u')",
      "INSERT INTO t VALUES (5, 'b')",
      "COMMIT",
    ),
    sql("INSERT INTO t VALUES (6, 'c')"),
  ]);
  expect(outcome.outcomes.map(({ result }) => brief(result.steps))).toEqual([
    [1],
    [1, "SQLITE_CONSTRAINT_PRIMARYKEY", 1],
    [0, 1, "SQLITE_CONSTRAINT_TRIGGER", 1, "SQLITE_ERROR"],
    [1],
  ]);
  expect(rowsOf(leader, "SELECT group_concat(a) FROM (SELECT a FROM t ORDER BY a)")).toEqual([
    ["1,2,3,5,6"],
  ]);
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

test("values keep their types: 64-bit integers, reals, blobs, texts with zeros", () => {
  const leader = leaderWith("CREATE TABLE v (a)");
  const values = [
    -(2n ** 63n),
    2n ** 63n - 1n,
    1n,
    1,
    -0.5,
    Number.MAX_VALUE,
    "a\0b",
    "",
    new Uint8Array(0),
    Uint8Array.of(0, 255),
    null,
  ];
  for (const value of values) leader.run(request([step("INSERT INTO v VALUES (?)", [value])]));
  expect(rowsOf(leader, "SELECT a FROM v ORDER BY rowid")).toEqual(values.map((value) => [value]));
});

test("arguments bind by position, by name with or without prefix, and mixed", () => {
  const leader = new Replica();
  const named = (
    text: string,
    args: readonly (readonly [string, bigint])[],
    positional: bigint[] = [],
  ) =>
    brief(
      leader.run(
        request([
          {
            condition: null,
            statement: { sql: text, args: positional, namedArgs: args, wantRows: true },
          },
        ]),
      ),
    )[0];
  expect(
    named("SELECT :a, @b, $c", [
      ["a", 1n],
      ["@b", 2n],
      ["$c", 3n],
    ]),
  ).toEqual([[1n, 2n, 3n]]);
  expect(named("SELECT :a, :b", [], [1n, 2n])).toEqual([[1n, 2n]]);
  expect(named("SELECT ?, :b", [["b", 2n]], [1n])).toEqual([[1n, 2n]]);
  expect(named("SELECT ?2, ?1", [], [1n, 2n])).toEqual([[2n, 1n]]);
  expect(named("SELECT ?1", [], [1n, 2n])).toBe("SQLITE_RANGE");
});

test("a statement over its deadline undoes its whole request and nothing else", () => {
  const leader = leaderWith(KEYED);
  const forever = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)";
  const outcome = leader.lead(
    [
      sql("INSERT INTO t VALUES (1, 'x')"),
      sql("INSERT INTO t VALUES (2, 'y')", `${forever} SELECT count(*) FROM c`),
      sql("INSERT INTO t VALUES (3, 'y')", `INSERT INTO t ${forever} SELECT x + 100, x FROM c`),
      sql("INSERT INTO t VALUES (4, 'z')"),
    ],
    100,
  );
  expect(outcome.outcomes.map(({ kind }) => kind)).toEqual([
    "applied",
    "unchanged",
    "unchanged",
    "applied",
  ]);
  for (const position of [1, 2]) {
    expect(brief(outcome.outcomes[position]!.result.steps)).toEqual([
      "SQLITE_INTERRUPT",
      "SQLITE_INTERRUPT",
    ]);
  }
  expect(rowsOf(leader, "SELECT a FROM t ORDER BY a")).toEqual([[1n], [4n]]);
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

test("rollback drops the open batch, and the next one starts from what was committed", () => {
  const leader = leaderWith(KEYED);
  const options = { alone: false, deadlineMs: 0 };
  leader.engine.runBatch(leader.context(), [sql("INSERT INTO t VALUES (1, 'x')")], options);
  leader.engine.rollback();
  expect(rowsOf(leader, "SELECT count(*) FROM t")).toEqual([[0n]]);
});

test("an interactive transaction is one batch that followers execute alike", () => {
  const leader = leaderWith("CREATE TABLE t (a INTEGER PRIMARY KEY, b)", "CREATE TABLE o (x)");
  const context = leader.context();
  leader.engine.beginInteractive(context, "write");
  const parts = [
    ["BEGIN"],
    ["INSERT INTO t (b) VALUES (random()) RETURNING b", "INSERT INTO nowhere VALUES (1)"],
    ["INSERT INTO o SELECT changes() || total_changes() || last_insert_rowid()"],
    ["COMMIT"],
  ];
  const states = parts.map(
    (part) => leader.engine.stepInteractive(sql(...part).program, 2_000).autocommit,
  );
  expect(states).toEqual([false, false, false, true]);
  const whole = sql(...parts.flat());
  const sealed = leader.engine.sealInteractive(whole);
  expect(sealed.outcomes[0]?.kind).toBe("applied");
  leader.record(context, [whole], sealed.digest);
  const follower = new Replica();
  expect(follower.engine.apply(leader.log).map(String)).toEqual(leader.digests.map(String));
  expect(follower.tableHashes()).toEqual(leader.tableHashes());
});

test("an interactive transaction that is rolled back, lost or late leaves nothing", () => {
  const leader = leaderWith(KEYED);
  leader.run(sql("INSERT INTO t VALUES (1, 'x')"));
  const endless =
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";
  for (const last of ["ROLLBACK", "INSERT OR ROLLBACK INTO t VALUES (1, 'q')", endless]) {
    leader.engine.beginInteractive(leader.context(), "write");
    leader.engine.stepInteractive(sql("BEGIN", "INSERT INTO t VALUES (2, 'y')").program, 100);
    expect(leader.engine.stepInteractive(sql(last).program, 100).autocommit).toBe(true);
    expect(leader.engine.sealInteractive(sql("BEGIN")).outcomes[0]?.kind).toBe("unchanged");
    expect(rowsOf(leader, "SELECT count(*) FROM t")).toEqual([[1n]]);
  }
});

test("pinned time never falls on a follower, and advance moves the index only forward", () => {
  const follower = new Replica();
  const seed = new Uint8Array(16);
  const make = sql("CREATE TABLE t (a DEFAULT (unixepoch()))");
  const add = sql("INSERT INTO t DEFAULT VALUES");
  follower.engine.apply([
    { index: 1 as never, context: { timeMs: 5_000, seed }, requests: [make] },
  ]);
  follower.engine.apply([{ index: 2 as never, context: { timeMs: 1_000, seed }, requests: [add] }]);
  follower.engine.advance(7 as never);
  follower.engine.advance(3 as never);
  expect(follower.engine.position).toMatchObject({ appliedIndex: 7, pinnedTimeMs: 5_000 });
  const options = { alone: false, deadlineMs: 0 };
  const read = follower.engine.runBatch({ timeMs: 6_000, seed }, [sql("SELECT a FROM t")], options);
  expect(brief(read.outcomes[0]!.result.steps)).toEqual([[[5n]]]);
});
