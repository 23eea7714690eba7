/** The rules hold for the source as it is. */

import { describe, expect, test } from "bun:test";
import { resolve } from "node:path";
import { RULES } from "./rules.ts";
import { readSourceTree } from "./source-file.ts";

const tree = readSourceTree(resolve(import.meta.dir, "../.."));

describe("the source", () => {
  for (const [name, rule] of Object.entries(RULES)) {
    test(name, () => expect(rule(tree)).toEqual([]));
  }
});
