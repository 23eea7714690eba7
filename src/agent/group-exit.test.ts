import { expect, test } from "bun:test";
import { asNodeId, asReplicaId } from "../base/index.ts";
import {
  type Configuration,
  EMPTY_CONFIGURATION,
  makeConfiguration,
} from "../domain/raft/index.ts";
import type { GroupStatus } from "../runtime/consensus/index.ts";
import { groupStillWith } from "./group-exit.ts";
import { MAIN } from "./groups.ts";
import { leading } from "./testing/leading.ts";

const of = (...ids: string[]): Configuration =>
  makeConfiguration({ voters: ids.map((id) => ({ replica: asReplicaId(id), weight: 2 })) });

/** Whether `main` still has node b, as its replica on this node has it. */
const found = (configuration: Configuration, changes: Partial<GroupStatus> = {}) => {
  const consensus = {
    configuration: () => configuration,
    groupStatus: () => ({ ...leading(MAIN, configuration), ...changes }),
  };
  return groupStillWith({ consensus, service: () => null }, asNodeId("b"), [MAIN]);
};

test("a node is out of a group only once a configuration without it is committed", async () => {
  expect(await found(of("a", "b"))).toBe(MAIN);
  expect(await found(of("a"), { isChanging: true })).toBe(MAIN);
  expect(await found(of("a"))).toBe(null);
});

test("a replica that is installing a snapshot cannot tell who is out of its group", async () => {
  expect(await found(EMPTY_CONFIGURATION, { isInstalling: true })).toBe(MAIN);
});
