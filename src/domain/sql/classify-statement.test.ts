import { expect, test } from "bun:test";
import { classifyStatement } from "./classify-statement.ts";

test("statements are told apart by their verb, behind comments and blanks", () => {
  const kinds: Record<string, string> = {
    "SELECT 1": "read",
    " \n-- note\n/* more */ select 1": "read",
    "VALUES (1)": "read",
    "insert into t values (1)": "write",
    "REPLACE INTO t VALUES (1)": "write",
    "update t set a = 1": "write",
    "DELETE FROM t": "write",
    "CREATE TABLE t (a)": "schema",
    "alter table t add b": "schema",
    "DROP INDEX i": "schema",
    ANALYZE: "schema",
    "EXPLAIN QUERY PLAN DELETE FROM t": "explain",
    VACUUM: "other",
    "ATTACH 'x' AS y": "other",
    "": "empty",
    " ; ": "empty",
    "-- only a comment": "empty",
    "/* unclosed": "empty",
    COMMIT: "commit",
    "END TRANSACTION": "commit",
    "rollback transaction": "rollback",
    "(SELECT 1)": "other",
    "'text'": "other",
  };
  for (const [sql, kind] of Object.entries(kinds)) {
    expect([sql, classifyStatement(sql).kind as string]).toEqual([sql, kind]);
  }
});

test("WITH takes the verb behind its tables, whatever those hold", () => {
  expect(classifyStatement("WITH a AS (DELETE) SELECT 1").kind).toBe("read");
  expect(
    classifyStatement(
      "with recursive a(x) as (select 1), b as (values (2)) insert into t select * from a",
    ).kind,
  ).toBe("write");
  expect(classifyStatement("WITH \"update\" AS (SELECT ')') DELETE FROM t").kind).toBe("write");
  expect(classifyStatement("WITH a AS (SELECT 1").kind).toBe("other");
});

test("BEGIN has its mode, libSQL's READONLY included", () => {
  const modes = {
    BEGIN: "deferred",
    "BEGIN TRANSACTION": "deferred",
    "begin immediate": "immediate",
    "BEGIN EXCLUSIVE TRANSACTION": "exclusive",
    "BEGIN TRANSACTION READONLY": "readonly",
    "BEGIN;": "deferred",
  } as const;
  for (const [sql, mode] of Object.entries(modes)) {
    expect(classifyStatement(sql)).toEqual({ kind: "begin", mode });
  }
});

test("savepoints have names, without quotes and without regard to case", () => {
  expect(classifyStatement('SAVEPOINT "One ""x"""')).toEqual({
    kind: "savepoint",
    name: 'one "x"',
  });
  expect(classifyStatement("RELEASE Two")).toEqual({ kind: "release", name: "two" });
  expect(classifyStatement("release savepoint two")).toEqual({ kind: "release", name: "two" });
  expect(classifyStatement("RELEASE savepoint")).toEqual({ kind: "release", name: "savepoint" });
  expect(classifyStatement("ROLLBACK TRANSACTION TO SAVEPOINT two")).toEqual({
    kind: "rollback_to",
    name: "two",
  });
});

test("PRAGMAs have a name and perhaps a value", () => {
  const pragma = (name: string, argument: string | null) => ({
    kind: "pragma" as const,
    name,
    argument,
  });
  expect(classifyStatement("PRAGMA foreign_keys")).toEqual(pragma("foreign_keys", null));
  expect(classifyStatement("pragma main.Foreign_Keys = OFF;")).toEqual(
    pragma("foreign_keys", "OFF"),
  );
  expect(classifyStatement("PRAGMA table_info('t')")).toEqual(pragma("table_info", "t"));
  expect(classifyStatement("PRAGMA user_version=-5")).toEqual(pragma("user_version", "-5"));
  expect(classifyStatement("PRAGMA")).toEqual({ kind: "other" });
});
