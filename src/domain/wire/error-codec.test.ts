import { expect, test } from "bun:test";
import { errorCodeOf, MyceliumError } from "../../base/index.ts";
import { encodeCbor } from "./cbor.ts";
import { decodeError, encodeError } from "./error-codec.ts";

test("an error crosses with its code, message and details", () => {
  const error = new MyceliumError("NOT_LEADER", "Cannot write: ask another", {
    details: { leader: "12D3", term: 4, known: true, none: null },
  });
  const decoded = decodeError(encodeError(error));
  expect(decoded.code).toBe("NOT_LEADER");
  expect(decoded.message).toBe(error.message);
  expect(decoded.details).toEqual(error.details);
});

test("decodeError() turns a code of a newer version into OUTCOME_UNKNOWN and keeps the name", () => {
  const decoded = decodeError(encodeCbor({ code: "FROM_THE_FUTURE", message: "m" }));
  expect(decoded.code).toBe("OUTCOME_UNKNOWN");
  expect(decoded.details).toEqual({ peerCode: "FROM_THE_FUTURE" });
});

test("encodeError() bounds what it sends", () => {
  const long = new MyceliumError("SQL", "x".repeat(100_000), {
    details: { d: "y".repeat(100_000) },
  });
  expect(encodeError(long).length).toBeLessThan(6_000);
  expect(decodeError(encodeError(long)).code).toBe("SQL");
});

test("decodeError() answers hostile bytes with MALFORMED", () => {
  for (const hostile of [
    {},
    { code: 1, message: "m" },
    { code: "SQL", message: "m", details: { a: [] } },
  ]) {
    try {
      decodeError(encodeCbor(hostile as never));
      throw new Error("not refused");
    } catch (error) {
      expect(errorCodeOf(error)).toBe("MALFORMED");
    }
  }
});
