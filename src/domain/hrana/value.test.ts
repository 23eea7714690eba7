import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { errorCodeOf } from "../../base/index.ts";
import type { SqlValue } from "../sql/index.ts";
import { decodeValue, encodeValue } from "./index.ts";

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return errorCodeOf(error);
  }
  return undefined;
}

describe("values", () => {
  test("encodeValue() writes what the specification's table shows", () => {
    expect(encodeValue(null)).toBe('{"type":"null"}');
    expect(encodeValue(9_007_199_254_740_993n)).toBe(
      '{"type":"integer","value":"9007199254740993"}',
    );
    expect(encodeValue(1.5)).toBe('{"type":"float","value":1.5}');
    expect(encodeValue('a"b')).toBe('{"type":"text","value":"a\\"b"}');
    expect(encodeValue(Uint8Array.of(0, 255))).toBe('{"type":"blob","base64":"AP8"}');
  });

  test("infinite floats survive JSON, which has no word for them", () => {
    expect(JSON.parse(encodeValue(Number.POSITIVE_INFINITY)).value).toBe(Number.POSITIVE_INFINITY);
    expect(JSON.parse(encodeValue(Number.NEGATIVE_INFINITY)).value).toBe(Number.NEGATIVE_INFINITY);
  });

  test("decodeValue() reads base64 with and without padding", () => {
    for (const base64 of ["AP8", "AP8="]) {
      expect(decodeValue({ type: "blob", base64 }, "v")).toEqual(Uint8Array.of(0, 255));
    }
  });

  test("decodeValue() refuses what is no value", () => {
    const hostile: unknown[] = [
      null,
      1,
      "x",
      [],
      {},
      { type: "integer" },
      { type: "integer", value: "9223372036854775808" },
      { type: "integer", value: "-9223372036854775809" },
      { type: "integer", value: "1.0" },
      { type: "integer", value: "99999999999999999999999999" },
      { type: "integer", value: 2 ** 60 },
      { type: "float", value: "1" },
      { type: "float", value: null },
      { type: "text", value: 1 },
      { type: "blob", base64: "A" },
      { type: "blob", base64: "A*==" },
      { type: "blob", value: "AP8=" },
      { type: "none" },
    ];
    for (const value of hostile) expect(codeOf(() => decodeValue(value, "v"))).toBe("MALFORMED");
  });

  test("every value comes back from its JSON", () => {
    const value: fc.Arbitrary<SqlValue> = fc.oneof(
      fc.constant(null),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.double({ noNaN: true }),
      fc.string({ unit: "grapheme" }),
      fc.uint8Array(),
    );
    fc.assert(
      fc.property(value, (original) => {
        expect(decodeValue(JSON.parse(encodeValue(original)), "v")).toEqual(original);
      }),
    );
  });

  test("decodeValue() never throws anything but MALFORMED", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        expect([undefined, "MALFORMED"]).toContain(
          codeOf(() => decodeValue(json, "v")) as "MALFORMED",
        );
      }),
    );
  });
});
