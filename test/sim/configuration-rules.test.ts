import { expect, test } from "bun:test";
import { asGroupId, asLogIndex, asTerm, replicaOfNode } from "../../src/base/index.ts";
import { encodeConfiguration, makeConfiguration } from "../../src/domain/raft/index.ts";
import { ConfigurationRules } from "./configuration-rules.ts";
import { simulatedNodeId } from "./machine.ts";

const GROUP = asGroupId("main");

function configurationOf(weights: readonly (readonly [node: number, weight: number])[]) {
  const voters = weights.map(([node, weight]) => {
    return { replica: replicaOfNode(simulatedNodeId(node), 0), weight };
  });
  return encodeConfiguration(makeConfiguration({ voters, learners: [] }));
}

function violationsOf(before: Uint8Array, after: Uint8Array): readonly string[] {
  const found: string[] = [];
  const rules = new ConfigurationRules((what) => found.push(what));
  const entry = {
    index: asLogIndex(5),
    term: asTerm(2),
    kind: "configuration" as const,
    payload: after,
  };
  rules.appends("n0", { group: GROUP, hardState: null, entries: [entry] }, before);
  return found;
}

const THREE = configurationOf([
  [0, 1],
  [1, 1],
  [2, 1],
]);

test("one voter more leaves no two majorities apart", () => {
  const four = configurationOf([
    [0, 1],
    [1, 1],
    [2, 1],
    [3, 1],
  ]);
  expect(violationsOf(THREE, four)).toEqual([]);
});

test("two voters replaced at once can decide apart", () => {
  const other = configurationOf([
    [0, 1],
    [3, 1],
    [4, 1],
  ]);
  expect(violationsOf(THREE, other)).toHaveLength(1);
});

test("a weight that jumps over the others' sum can decide alone", () => {
  const heavy = configurationOf([
    [0, 4],
    [1, 1],
    [2, 1],
  ]);
  expect(violationsOf(THREE, heavy)).toHaveLength(1);
});
