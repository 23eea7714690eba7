import { expect, test } from "bun:test";
import { parameterNames } from "./index.ts";

test("parameterNames() numbers parameters as SQLite does", () => {
  expect(parameterNames("SELECT 1")).toEqual([]);
  expect(parameterNames("SELECT ?, ?")).toEqual([null, null]);
  expect(parameterNames("SELECT ?3, ?")).toEqual([null, null, "?3", null]);
  expect(parameterNames("SELECT :a, @b, $c, :a")).toEqual([":a", "@b", "$c"]);
});

test("parameterNames() ignores what only looks like a parameter", () => {
  expect(parameterNames("SELECT ':a', \"?\" -- ?\n, /* $x */ ?1")).toEqual(["?1"]);
});

test("parameterNames() refuses numbers out of range", () => {
  expect(() => parameterNames("SELECT ?0")).toThrow("needed ?1 to");
  expect(() => parameterNames("SELECT ?9999999999")).toThrow("needed ?1 to");
});
