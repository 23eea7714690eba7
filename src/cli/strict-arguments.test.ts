import { describe, expect, test } from "bun:test";
import type { ArgsDef } from "citty";
import fc from "fast-check";
import { errorCodeOf } from "../base/index.ts";
import { strictArguments } from "./strict-arguments.ts";

const ARGS: ArgsDef = {
  word: { type: "positional", required: true },
  more: { type: "positional", required: false },
  port: { type: "string", valueHint: "N" },
  mode: { type: "enum", options: ["rw", "ro"] },
  follow: { type: "boolean", alias: "f" },
};

const strict = (...words: string[]) => strictArguments(words, ARGS, "mycelium x");
const codeOf = (...words: string[]) => {
  try {
    strict(...words);
    return null;
  } catch (error) {
    return errorCodeOf(error);
  }
};

describe("strictArguments()", () => {
  test("brings every spelling into one form", () => {
    expect(strict("a", "--port", "1", "-f")).toEqual(["--port=1", "--follow", "--", "a"]);
    expect(strict("--port=1", "a", "--follow=false")).toEqual([
      "--port=1",
      "--no-follow",
      "--",
      "a",
    ]);
    expect(strict("-")).toEqual(["--", "-"]);
    expect(strict("--", "--port")).toEqual(["--", "--port"]);
  });

  test.each([
    [["a", "--prot", "1"]],
    [["a", "-x"]],
    [["a", "--port"]],
    [["a", "--port", "--follow"]],
    [["a", "--port=1", "--port=2"]],
    [["a", "--follow=maybe"]],
    [["a", "--mode=rx"]],
    [["a", "--no-follow"]],
    [[]],
    [["a", "b", "c"]],
  ])("refuses %j", (words) => {
    expect(codeOf(...words)).toBe("BAD_ARGUMENT");
  });

  test("any words are taken or refused, never a crash", () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom("--port", "-f", "--", "-", "--mode=ro", "a"),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (words) => {
        expect(["BAD_ARGUMENT", null]).toContain(codeOf(...words) ?? null);
      }),
    );
  });
});
