import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { matchesDelegation } from "./path-pattern.ts";

const matches = (pattern: string, path: string) => matchesDelegation({ paths: [pattern] }, path);

/** The same in a regular expression: short, and slow where stars abound. */
function model(pattern: string, path: string): boolean {
  const source = [...pattern].map((letter) =>
    letter === "*" ? "[^/]*" : letter === "?" ? "[^/]" : letter === "." ? "\\." : letter,
  );
  return new RegExp(`^${source.join("")}$`).test(path);
}

test("patterns match what their regular expressions match", () => {
  const pattern = fc.string({ unit: fc.constantFrom("a", "b", "/", ".", "*", "?"), maxLength: 8 });
  const path = fc.string({ unit: fc.constantFrom("a", "b", "/", "."), maxLength: 8 });
  fc.assert(
    fc.property(pattern, path, (wanted, found) => {
      expect(matches(wanted, found)).toBe(model(wanted, found));
    }),
    { numRuns: 5_000 },
  );
});

test("many stars cost no more than their number", () => {
  expect(matches("*a".repeat(200), `${"a".repeat(2_000)}b`)).toBe(false);
});

test("a delegation by hash prefixes is asked about the paths whose hash begins so", () => {
  const prefix = createHash("sha256").update("a/b").digest("hex").slice(0, 3);
  const other = prefix.startsWith("0") ? "1" : "0";
  expect(matchesDelegation({ path_hash_prefixes: [other, prefix] }, "a/b")).toBe(true);
  expect(matchesDelegation({ path_hash_prefixes: [other] }, "a/b")).toBe(false);
});
