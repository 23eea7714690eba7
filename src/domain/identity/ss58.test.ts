import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { fromHex } from "../../base/index.ts";
import { decodeSs58, encodeSs58 } from "./ss58.ts";

const ALICE = fromHex("d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d")!;
const prefix = fc.integer({ min: 0, max: 16_383 }).filter((one) => one !== 46 && one !== 47);
const account = fc
  .constantFrom(1, 2, 4, 8, 32, 33)
  .chain((size) => fc.uint8Array({ minLength: size, maxLength: size }));

describe("SS58", () => {
  test("Substrate's well-known account has its published addresses", () => {
    expect(encodeSs58({ prefix: 42, account: ALICE })).toBe(
      "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY",
    );
    expect(encodeSs58({ prefix: 0, account: ALICE })).toBe(
      "15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5",
    );
    expect(encodeSs58({ prefix: 2, account: ALICE })).toBe(
      "HNZata7iMYWmk5RvZRTiAsSDhV8366zq2YGb3tLH5Upf74F",
    );
    expect(encodeSs58({ prefix: 255, account: ALICE })).toBe(
      "yGHXkYLYqxijLKKfd9Q2CB9shRVu8rPNBS53wvwGTutYg4zTg",
    );
    expect(encodeSs58({ prefix: 42, account: Uint8Array.of(0, 1) })).toBe("25GUyv");
    expect(decodeSs58("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY")).toEqual({
      prefix: 42,
      account: ALICE,
    });
  });

  test("every prefix and account size comes back as it went", () => {
    fc.assert(
      fc.property(prefix, account, (number, bytes) => {
        const address = { prefix: number, account: bytes };
        expect(decodeSs58(encodeSs58(address))).toEqual(address);
      }),
    );
  });

  test("a changed, missing or added letter is noticed", () => {
    const address = encodeSs58({ prefix: 1_284, account: ALICE });
    for (let i = 0; i < address.length; i++) {
      const other = address[i] === "2" ? "3" : "2";
      expect(decodeSs58(address.slice(0, i) + other + address.slice(i + 1))).toBeNull();
      expect(decodeSs58(address.slice(0, i) + address.slice(i + 1))).toBeNull();
    }
    for (const text of ["", "0", "1", "x".repeat(500)]) expect(decodeSs58(text)).toBeNull();
  });
});
