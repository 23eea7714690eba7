import { expect, test } from "bun:test";
import { splitStatements } from "./split-statements.ts";

test("a script is cut at the semicolons between statements", () => {
  expect(splitStatements("SELECT 1; SELECT ';' ;;\n-- end;\n")).toEqual(["SELECT 1", "SELECT ';'"]);
  expect(splitStatements('a /* ; */ b; "c;d"; [e;f]; `g;h`')).toEqual([
    "a /* ; */ b",
    '"c;d"',
    "[e;f]",
    "`g;h`",
  ]);
  expect(splitStatements("")).toEqual([]);
  expect(splitStatements("; -- ;")).toEqual([]);
  expect(splitStatements("SELECT 'unclosed; text")).toEqual(["SELECT 'unclosed; text"]);
});

test("a trigger's body stays whole, CASE inside it too", () => {
  const trigger =
    "CREATE TEMP TRIGGER t AFTER INSERT ON x BEGIN UPDATE y SET a = CASE WHEN 1 THEN 2 END; DELETE FROM z; END";
  expect(splitStatements(`${trigger}; SELECT 1`)).toEqual([trigger, "SELECT 1"]);
  expect(splitStatements("BEGIN; SELECT 1; END; SELECT 2")).toEqual([
    "BEGIN",
    "SELECT 1",
    "END",
    "SELECT 2",
  ]);
  expect(splitStatements("CREATE TABLE t (a); SELECT 1")).toEqual([
    "CREATE TABLE t (a)",
    "SELECT 1",
  ]);
  expect(
    splitStatements("EXPLAIN CREATE TRIGGER t AFTER INSERT ON x BEGIN SELECT 1; END; SELECT 2"),
  ).toHaveLength(2);
});
