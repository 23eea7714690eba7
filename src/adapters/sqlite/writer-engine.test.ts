import { expect, test } from "bun:test";
import { brief, leaderWith, Replica, request, rowsOf, sql, step } from "./engine-fixture.ts";

const KEYED = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE)";

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
  expect(outcome.outcomes[0]).toMatchObject({ kind: "unchanged", result: { autocommit: false } });
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

test("ids are forgotten ten minutes of pinned time later, of a leap one, and survive a restart before", () => {
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
  let index = leader.log.length;
  const pass = (lateMs: number, asked = sql("INSERT INTO t DEFAULT VALUES")) => {
    const options = { alone: false, deadlineMs: 0 };
    const outcome = reopened.runBatch(leader.context(lateMs), [asked], options);
    const kind = outcome.outcomes[0]?.kind;
    if (kind === "applied") reopened.commit(++index as never);
    return kind;
  };
  for (const lateMs of Array.from({ length: 9 }, () => 60_000)) pass(lateMs);
  pass(10_800_000);
  expect(pass(0, insert)).toBe("replayed");
  pass(1_000);
  expect(pass(0, insert)).toBe("applied");
  reopened.close();
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

test("rollback drops the open batch, and the next one starts from what was committed", () => {
  const leader = leaderWith(KEYED);
  const options = { alone: false, deadlineMs: 0 };
  leader.engine.runBatch(leader.context(), [sql("INSERT INTO t VALUES (1, 'x')")], options);
  leader.engine.rollback();
  expect(rowsOf(leader, "SELECT count(*) FROM t")).toEqual([[0n]]);
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

test("a program of many statements that roll back is refused, not run for ever", () => {
  const leader = leaderWith(KEYED);
  leader.run(sql("INSERT INTO t VALUES (1, 'x')"));
  const clash = "INSERT OR ROLLBACK INTO t VALUES (1, 'z')";
  const few = leader.run(sql("INSERT INTO t VALUES (2, 'y')", ...Array<string>(16).fill(clash)));
  expect(brief(few).slice(0, 2)).toEqual([1, "SQLITE_CONSTRAINT_PRIMARYKEY"]);
  const many = leader.run(sql("INSERT INTO t VALUES (3, 'w')", ...Array<string>(40).fill(clash)));
  expect(new Set(brief(many))).toEqual(new Set(["SQLITE_ERROR"]));
  expect(rowsOf(leader, "SELECT count(*) FROM t")).toEqual([[2n]]);
});
