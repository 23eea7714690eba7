import { expect, test } from "bun:test";
import { TableRotation } from "./table-rotation.ts";

const NEVER = Number.NEGATIVE_INFINITY;

test("the table whose check is longest ago comes next, those never checked first", () => {
  const rotation = new TableRotation();
  rotation.note("a", 10);
  rotation.note("b", 5);
  expect(rotation.next(["a", "b", "c"], 100)).toBe("c");
  rotation.note("c", 20);
  expect(rotation.next(["a", "b", "c"], 100)).toBe("b");
  rotation.note("b", 30);
  expect(rotation.next(["a", "b", "c"], 100)).toBe("a");
  expect(rotation.oldestMs(["a", "b", "c"])).toBe(10);
});

test("nothing is due when all were checked since", () => {
  const rotation = new TableRotation();
  rotation.note("a", 10);
  expect(rotation.next(["a"], 10)).toBe(null);
  expect(rotation.next(["a"], 11)).toBe("a");
  expect(rotation.next([], 11)).toBe(null);
  expect(rotation.next(["new"], NEVER)).toBe(null);
});

test("a forgotten table is the next one", () => {
  const rotation = new TableRotation();
  for (const table of ["a", "b"]) rotation.note(table, 10);
  rotation.forget("b");
  expect(rotation.next(["a", "b"], 0)).toBe("b");
  expect(rotation.oldestMs(["a", "b"])).toBe(NEVER);
});
