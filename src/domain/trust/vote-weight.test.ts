import { expect, test } from "bun:test";
import { voteWeight } from "./vote-weight.ts";

test("voteWeight() is the tier's base times the operator's factor", () => {
  expect(voteWeight(0, 1)).toBe(4);
  expect(voteWeight(1, 3)).toBe(6);
  expect(voteWeight(2, 100)).toBe(100);
});

test("voteWeight() takes no factor outside 1 to 100", () => {
  for (const factor of [0, 101, 1.5, Number.NaN]) expect(() => voteWeight(1, factor)).toThrow();
});
