import { expect, test } from "bun:test";
import fc from "fast-check";
import { asNodeId, type NodeId } from "../../base/index.ts";
import { decisionBound, decisionParticipants, unfairness } from "./decision-weights.ts";

const weights = (...list: number[]): Map<NodeId, number> =>
  new Map(list.map((weight, i) => [asNodeId(`n${String(i).padStart(3, "0")}`), weight]));
const needed = (...list: number[]) => decisionBound(decisionParticipants(weights(...list))).needed;

test("of 3 equal deciders 2 are needed, of 4 three, of 7 five", () => {
  expect([1, 2, 3, 4, 7].map((n) => needed(...Array<number>(n).fill(1)))).toEqual([1, 2, 2, 3, 5]);
});

test("three or fewer weigh the same, and tolerate no liar", () => {
  const few = decisionParticipants(weights(4, 2, 200));
  expect(few.map(({ weight }) => weight)).toEqual([1, 1, 1]);
  expect(decisionBound(few)).toEqual({ total: 3, faulty: 0, needed: 2, toleratesLiar: false });
});

test("of four or more no single weight reaches a third, and every liar alone is tolerated", () => {
  const many = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 4, maxLength: 12 });
  fc.assert(
    fc.property(many, (list) => {
      const participants = decisionParticipants(weights(...list));
      const { total, faulty, needed: least } = decisionBound(participants);
      expect(unfairness(participants)).toBeNull();
      for (const { weight } of participants) expect(weight).toBeLessThanOrEqual(faulty);
      // Two values cannot both be decided unless more than `faulty` vote for both; the honest can always decide.
      expect(2 * least - total).toBeGreaterThan(faulty);
      expect(total - faulty).toBeGreaterThanOrEqual(least);
    }),
  );
});

test("no weight is raised, and none lowered that need not be", () => {
  expect(decisionParticipants(weights(4, 2, 2, 2)).map(({ weight }) => weight)).toEqual([
    2, 2, 2, 2,
  ]);
  expect(decisionParticipants(weights(4, 4, 2, 2, 2)).map(({ weight }) => weight)).toEqual([
    4, 4, 2, 2, 2,
  ]);
});

test("the 255 heaviest decide where there are more", () => {
  const participants = decisionParticipants(
    weights(...Array.from({ length: 300 }, (_, i) => 1 + (i % 2))),
  );
  expect(participants.length).toBe(255);
  expect(participants.filter(({ weight }) => weight === 2).length).toBe(150);
});

test("a list with a node twice, out of order, empty or with too heavy a node is unfair", () => {
  const of = (...list: [string, number][]) =>
    unfairness(list.map(([node, weight]) => ({ node: asNodeId(node), weight })));
  expect(of(["a", 1], ["b", 1], ["c", 1], ["d", 1])).toBeNull();
  for (const problem of [
    of(),
    of(["a", 1], ["a", 1]),
    of(["b", 1], ["a", 1]),
    of(["a", 2], ["b", 1], ["c", 1], ["d", 1]),
    of(["a", 2], ["b", 1], ["c", 1]),
  ]) {
    expect(problem).toBeString();
  }
});
