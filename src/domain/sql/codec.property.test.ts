import { expect, test } from "bun:test";
import fc from "fast-check";
import { errorCodeOf } from "../../base/index.ts";
import type { Condition, Program, ProgramResult } from "./program.ts";
import { decodeProgram, encodeProgram } from "./program-codec.ts";
import { decodeProgramResult, encodeProgramResult } from "./result-codec.ts";
import type { SqlValue } from "./value.ts";

const value: fc.Arbitrary<SqlValue> = fc.oneof(
  fc.constant(null),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt({ min: -(2n ** 33n), max: 2n ** 33n }),
  fc.double({ noNaN: true }),
  fc.string({ unit: "grapheme" }),
  fc.uint8Array(),
);

function conditionBefore(position: number): fc.Arbitrary<Condition | null> {
  if (position === 0) return fc.constant(null);
  const step = fc.nat({ max: position - 1 });
  const { tree } = fc.letrec<{ tree: Condition }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      fc.record({ type: fc.constantFrom("ok" as const, "error" as const), step }),
      fc.constant({ type: "is_autocommit" as const }),
      fc.record({ type: fc.constant("not" as const), cond: tie("tree") }),
      fc.record({
        type: fc.constantFrom("and" as const, "or" as const),
        conds: fc.array(tie("tree"), { maxLength: 3 }),
      }),
    ),
  }));
  return fc.option(tree, { nil: null });
}

const statement = fc.record({
  sql: fc.string({ unit: "grapheme" }),
  args: fc.array(value, { maxLength: 5 }),
  namedArgs: fc.array(fc.tuple(fc.string(), value), { maxLength: 3 }),
  wantRows: fc.boolean(),
});

const program: fc.Arbitrary<Program> = fc.array(statement, { maxLength: 5 }).chain((statements) =>
  fc.tuple(...statements.map((_, position) => conditionBefore(position))).map((conditions) => ({
    steps: statements.map((one, i) => ({ statement: one, condition: conditions[i] ?? null })),
  })),
);

const result: fc.Arbitrary<ProgramResult> = fc.record({
  autocommit: fc.boolean(),
  steps: fc.array(
    fc.oneof(
      fc.constant(null),
      fc.record({
        ok: fc.constant(false as const),
        error: fc.record({ code: fc.string(), extendedCode: fc.nat(), message: fc.string() }),
      }),
      fc.nat({ max: 3 }).chain((width) =>
        fc.record({
          ok: fc.constant(true as const),
          result: fc.record({
            columns: fc.array(
              fc.record({ name: fc.string(), decltype: fc.option(fc.string(), { nil: null }) }),
              { minLength: width, maxLength: width },
            ),
            rows:
              width === 0
                ? fc.constant([])
                : fc.array(fc.array(value, { minLength: width, maxLength: width }), {
                    maxLength: 4,
                  }),
            affectedRowCount: fc.nat(),
            lastInsertRowid: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), {
              nil: null,
            }),
          }),
        }),
      ),
    ),
    { maxLength: 4 },
  ),
});

test("programs survive their codec", () => {
  fc.assert(fc.property(program, (one) => expect(decodeProgram(encodeProgram(one))).toEqual(one)));
});

test("results survive their codec", () => {
  fc.assert(
    fc.property(result, (one) =>
      expect(decodeProgramResult(encodeProgramResult(one))).toEqual(one),
    ),
  );
});

test("bytes that no encoder made are MALFORMED or TOO_LARGE, or mean something", () => {
  const check = (decode: () => unknown) => {
    try {
      decode();
    } catch (error) {
      expect(["MALFORMED", "TOO_LARGE"]).toContain(errorCodeOf(error) ?? String(error));
    }
  };
  const damaged = fc
    .tuple(program.map(encodeProgram), fc.nat(), fc.nat({ max: 255 }), fc.nat({ max: 8 }))
    .map(([bytes, at, byte, cut]) => {
      if (bytes.length > 0) bytes[at % bytes.length] = byte;
      return bytes.subarray(0, bytes.length - Math.min(cut, bytes.length));
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), damaged), (bytes) => {
      check(() => decodeProgram(bytes));
      check(() => decodeProgramResult(bytes));
    }),
    { numRuns: 1_000 },
  );
});

test("counts are bounded by the bytes there are, before anything is allocated", () => {
  const billionSteps = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f);
  expect(() => decodeProgram(billionSteps)).toThrow("at most 5000");
  const manySteps = Uint8Array.of(0x88, 0x27);
  expect(() => decodeProgram(manySteps)).toThrow("items in too few bytes");
});
