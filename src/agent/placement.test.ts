import { expect, test } from "bun:test";
import { MemoryHost, MemoryLogger, Scheduler } from "../adapters/memory/index.ts";
import { asNodeId, asReplicaId, type GroupId } from "../base/index.ts";
import {
  type Configuration,
  describeConfiguration,
  makeConfiguration,
} from "../domain/raft/index.ts";
import type { Member } from "../runtime/membership/index.ts";
import { MAIN, SYSTEM } from "./groups.ts";
import { Placement } from "./placement.ts";
import { leading } from "./testing/leading.ts";

const member = (id: string, state: Member["state"] = "active"): Member => ({
  id: asNodeId(id),
  class: "sclerotium",
  role: "validator",
  tier: 0,
  state,
  replicaLife: 0,
  joinedAtMs: 0,
  addresses: [],
  apiAddresses: [],
  multiaddrs: [],
  validatorWeight: 1,
  version: "",
});

const configuration = (voters: readonly string[], learners: readonly string[]): Configuration =>
  makeConfiguration({
    voters: voters.map((id) => ({ replica: asReplicaId(id), weight: 4 })),
    learners: learners.map(asReplicaId),
  });

/** Node a leads one group; b is in the other. What a changes its group to, within 5 s. */
async function changed(options: {
  readonly group: GroupId;
  readonly current: Configuration;
  /** As its own replica of `system` has the members, and as they are. */
  readonly list: readonly Member[];
  readonly newest: readonly Member[];
}): Promise<readonly string[]> {
  const { group, newest } = options;
  let { current, list } = options;
  const elsewhere = configuration(["a", "b"], []);
  const scheduler = new Scheduler(1);
  const host = new MemoryHost(asNodeId("a"), scheduler);
  const changes: string[] = [];
  const placement = new Placement({
    self: asNodeId("a"),
    consensus: {
      groupStatus: (one) => (one === group ? leading(group, current) : null),
      configuration: (one) => (one === group ? current : elsewhere),
      changeMembers: async (_group, target) => {
        changes.push(describeConfiguration(target));
        current = target;
      },
    },
    membership: {
      members: () => list,
      member: (id) => list.find((one) => one.id === id),
      refresh: async () => {
        list = newest;
      },
    },
    store: { remove: async () => true },
    service: () => null,
    clock: host,
    logger: new MemoryLogger(() => undefined),
    unseenMs: () => 0,
  });
  placement.wake();
  await scheduler.settle(
    new Promise<void>((resolve) => scheduler.schedule(5_000, () => resolve())),
  );
  placement.stop();
  return changes;
}

test("a list that is behind lets nobody in: it is read again before a group changes", async () => {
  const list = [member("a"), member("b")];
  const newest = [member("a")];
  const current = configuration(["a"], []);
  expect(await changed({ group: MAIN, current, list, newest })).toEqual([]);
  expect(await changed({ group: MAIN, current, list, newest: list })).toContain("a=4 | learners b");
});

test("who leaves stays in system to be told, and gains no vote in it", async () => {
  const list = [member("a"), member("b", "leaving")];
  const gone = configuration(["a"], []);
  const learns = configuration(["a"], ["b"]);
  expect(await changed({ group: MAIN, current: learns, list, newest: list })).toEqual(["a=4"]);
  expect(await changed({ group: SYSTEM, current: learns, list, newest: list })).toEqual([]);
  expect(await changed({ group: SYSTEM, current: gone, list, newest: list })).toEqual([
    "a=4 | learners b",
  ]);
});
