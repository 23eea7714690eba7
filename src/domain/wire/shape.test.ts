import { expect, test } from "bun:test";
import { added, integer, nullable, object, text } from "./shape.ts";

const shape = object({ name: text(10), held: added(nullable(text(10)), null), size: integer() });

test("a field of a later release has, in what an earlier one wrote, the value that it had before", () => {
  expect(shape({ name: "a", size: 1 }, "it")).toEqual({ name: "a", held: null, size: 1 });
  expect(shape({ name: "a", size: 1, held: "why" }, "it").held).toBe("why");
  expect(() => shape({ name: "a", size: 1, held: 7 }, "it")).toThrow("Cannot read it.held");
});

test("fields that a later release added are dropped by an earlier one", () => {
  expect(shape({ name: "a", size: 1, held: null, later: { x: 1 } }, "it")).toEqual({
    name: "a",
    held: null,
    size: 1,
  });
});
