import { expect, test } from "bun:test";
import { asNodeId } from "../../base/index.ts";
import { decisionParticipants } from "./decision-weights.ts";
import { frozenProblem } from "./frozen-participants.ts";

const OPENED_AT_MS = 1_000_000;
const [A, B, C, D, E] = ["a", "b", "c", "d", "e"].map(asNodeId) as [
  ...ReturnType<typeof asNodeId>[],
];
const decider = (node: typeof A, weight = 2, joinedAtMs = 0) => ({
  node: node!,
  weight,
  joinedAtMs,
});
const deciders = [A, B, C, D].map((node) => decider(node));
const frozenOf = (list: readonly ReturnType<typeof decider>[]) =>
  decisionParticipants(new Map(list.map(({ node, weight }) => [node, weight])));
const problem = (frozen: typeof deciders, known = deciders, left: readonly unknown[] = []) =>
  frozenProblem(frozenOf(frozen), OPENED_AT_MS, known, (node) => left.includes(node));

test("the members, with their weights, are no objection", () => {
  expect(problem(deciders)).toBeNull();
});

test("whoever is left out, or let in, is", () => {
  expect(problem(deciders.slice(1))).toBe("member a was left out");
  expect(problem([...deciders, decider(E)])).toBe("e takes part and is no member");
});

test("members who joined about then or later, and those who left since, are none", () => {
  for (const joinedAtMs of [OPENED_AT_MS - 1_000, OPENED_AT_MS + 1_000]) {
    expect(problem(deciders, [...deciders, decider(E, 2, joinedAtMs)])).toBeNull();
  }
  expect(problem([...deciders, decider(E)], deciders, [E])).toBeNull();
});

test("weights that are not the members' are", () => {
  const heavier = [decider(A, 4), decider(B, 4), ...deciders.slice(2), decider(E)];
  const known = [...deciders, decider(E)];
  expect(problem(heavier, known)).toBe("its weights are not those of the members");
});
