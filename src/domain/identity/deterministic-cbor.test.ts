import { expect, test } from "bun:test";
import fc from "fast-check";
import { toHex } from "../../base/index.ts";
import { decodeCbor } from "../wire/index.ts";
import { type DocumentValue, deterministicCbor } from "./deterministic-cbor.ts";

const hex = (value: DocumentValue) => toHex(deterministicCbor(value));

test("RFC 8949 appendix A: the examples' shortest heads", () => {
  expect(hex(0)).toBe("00");
  expect(hex(23)).toBe("17");
  expect(hex(24)).toBe("1818");
  expect(hex(1_000)).toBe("1903e8");
  expect(hex(1_000_000)).toBe("1a000f4240");
  expect(hex(1_000_000_000_000)).toBe("1b000000e8d4a51000");
  expect(hex([1, [2, 3], null, true])).toBe("8401820203f6f5");
  expect(hex({ a: 1, b: [2, 3] })).toBe("a26161016162820203");
  expect(hex("\u00fc")).toBe("62c3bc");
  expect(hex(Uint8Array.of(1, 2))).toBe("420102");
});

test("keys stand in the order of their encoded bytes, however they were given", () => {
  expect(hex({ bb: 1, a: 2, c: 3 })).toBe("a361610261630362626201");
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.nat()), (map) => {
      const turned = Object.fromEntries(Object.entries(map).reverse());
      expect(hex(turned)).toBe(hex(map));
    }),
  );
});

test("any decoder reads it back", () => {
  const { value } = fc.letrec<{ value: DocumentValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.nat(),
      fc.boolean(),
      fc.constant(null),
      fc.string(),
      fc.array(tie("value"), { maxLength: 4 }),
    ),
  }));
  fc.assert(fc.property(value, (one) => expect(decodeCbor(deterministicCbor(one))).toEqual(one)));
});
