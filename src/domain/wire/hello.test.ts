import { expect, test } from "bun:test";
import { errorCodeOf, utf8 } from "../../base/index.ts";
import { encodeCbor } from "./cbor.ts";
import { decodeHello, encodeHello, type Hello } from "./hello.ts";

const HELLO: Hello = {
  instance: "i1",
  protocolVersion: "1.0.0",
  minProtocolVersion: "1.0.0",
  features: ["consensus"],
  grant: utf8("grant"),
  wallMs: 1_800_000_000_000,
  addresses: ["127.0.0.1:9090"],
  release: "0.1.0",
};

test("a hello crosses whole, and fields of a newer version are dropped", () => {
  expect(decodeHello(encodeHello(HELLO))).toEqual(HELLO);
  expect(decodeHello(encodeCbor({ ...HELLO, later: 1 }))).toEqual(HELLO);
});

test("a hello of before releases were told tells none", () => {
  const { release, ...before } = HELLO;
  expect(release).not.toBe("");
  expect(decodeHello(encodeCbor(before)).release).toBe("");
});

test("encodeHello() tells as many addresses as a peer takes", () => {
  const addresses = Array.from({ length: 100 }, (_, i) => `10.0.0.${i}:9090`);
  const { addresses: told } = decodeHello(encodeHello({ ...HELLO, addresses }));
  expect(told).toEqual(addresses.slice(0, 64));
});

test("decodeHello() answers hostile hellos with MALFORMED", () => {
  const hostile = [
    { ...HELLO, addresses: new Array(65).fill("a:1") },
    { ...HELLO, instance: "i".repeat(65) },
    { ...HELLO, grant: "text" },
    { ...HELLO, wallMs: -1 },
    { ...HELLO, features: "consensus" },
    [],
  ];
  for (const value of hostile) {
    expect(() => decodeHello(encodeCbor(value))).toThrow();
    try {
      decodeHello(encodeCbor(value));
    } catch (error) {
      expect(errorCodeOf(error)).toBe("MALFORMED");
    }
  }
});
