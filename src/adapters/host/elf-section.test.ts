import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { sectionRange } from "./elf-section.ts";

test("a section is found where it is mapped", () => {
  const text = sectionRange(process.execPath, ".text");
  const isInside = readFileSync("/proc/self/maps", "utf8")
    .split("\n")
    .map((line) => /^([0-9a-f]+)-([0-9a-f]+) r-xp .* (\S+)$/.exec(line) ?? [])
    .some(([, from, to, path]) => {
      if (path !== process.execPath || text === null) return false;
      return BigInt(`0x${from}`) <= text.from && text.to <= BigInt(`0x${to}`);
    });
  expect(isInside).toBe(true);
});

test("another file, or one without the section, has none", () => {
  expect(sectionRange(import.meta.path, ".text")).toBeNull();
  expect(sectionRange(process.execPath, ".no-such-section")).toBeNull();
});
