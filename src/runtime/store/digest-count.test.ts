import { expect, test } from "bun:test";
import { asNodeId, type NodeId, replicaOfNode } from "../../base/index.ts";
import { countDigests, type DigestAnswer, differing } from "./digest-count.ts";

const [A, B, C, D, E] = ["a", "b", "c", "d", "e"].map(asNodeId) as [
  NodeId,
  NodeId,
  NodeId,
  NodeId,
  NodeId,
];
const X = Uint8Array.of(1);
const Y = Uint8Array.of(2);

const weigh = (weights: readonly (readonly [NodeId, number])[]) =>
  new Map(weights.map(([node, weight]) => [replicaOfNode(node, 0), weight]));
const THREE = weigh([
  [A, 4],
  [B, 4],
  [C, 4],
]);
const said = (...answers: (readonly [NodeId, DigestAnswer])[]) => new Map(answers);

test("truth is what more than half of all weight holds, not more than half of those who answered", () => {
  expect(countDigests(said([A, X], [B, X], [C, Y]), THREE).truth).toEqual(X);
  expect(countDigests(said([A, X]), THREE).truth).toBe(null);
  const half = weigh([
    [A, 2],
    [B, 1],
    [C, 1],
  ]);
  expect(countDigests(said([A, X], [B, Y], [C, Y]), half)).toEqual({
    truth: null,
    isOpen: false,
    isDisputed: true,
  });
});

test("who does not vote has no say, but is told that it differs", () => {
  const answers = said([A, X], [B, X], [C, Y], [D, Y], [E, Y]);
  const { truth, isDisputed } = countDigests(
    answers,
    weigh([
      [A, 4],
      [B, 4],
    ]),
  );
  expect({ truth, isDisputed }).toEqual({ truth: X, isDisputed: false });
  expect(differing(answers, X)).toEqual([C, D, E]);
});

test("a count is open while those who may answer yet could make a majority", () => {
  const open = (...answers: (readonly [NodeId, DigestAnswer])[]) =>
    countDigests(said(...answers), THREE).isOpen;
  expect(open([A, X], [B, Y])).toBe(true);
  expect(open([A, X], [B, Y], [C, "later"])).toBe(true);
  expect(open([A, X], [B, Y], [C, "away"])).toBe(true);
  expect(open([A, X], [B, Y], [C, "gone"])).toBe(false);
  expect(open([A, X], [B, "gone"], [C, "gone"])).toBe(false);
  expect(open([A, X], [B, X])).toBe(false);
});

test("silence is no dispute", () => {
  const answers = said([A, X], [B, "gone"], [C, "away"]);
  expect(countDigests(answers, THREE).isDisputed).toBe(false);
});
