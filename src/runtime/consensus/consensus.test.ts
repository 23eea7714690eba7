import { afterEach, expect, test } from "bun:test";
import {
  asLogIndex,
  asNodeId,
  asReplicaId,
  asTerm,
  errorCodeOf,
  MyceliumError,
} from "../../base/index.ts";
import { type Message, makeConfiguration } from "../../domain/raft/index.ts";
import { FrameWriter } from "./frame.ts";
import { CONSENSUS_SETTINGS } from "./index.ts";
import {
  configurationOf,
  GROUP,
  kill,
  MEMBERS,
  MINER,
  propose,
  startNode,
  startThree,
  stopAll,
  type TestNode,
  World,
} from "./testing/consensus-world.ts";

afterEach(stopAll);

test("three nodes elect one leader and apply the same commands", async () => {
  const world = new World();
  const { nodes, leader } = await startThree(world);
  for (const text of ["x", "y", "z"]) expect(propose(leader, text)).toBe(true);
  await world.until(() => nodes.every((node) => node.texts().length === 3));
  for (const node of nodes) expect(node.texts()).toEqual(["x", "y", "z"]);
  expect(nodes.filter((node) => node.leads)).toHaveLength(1);
});

test("a proposal is committed without waiting for a tick, and proposals of one turn share a write", async () => {
  const world = new World();
  const { leader } = await startThree(world);
  await world.run(200);
  const writesBefore = leader.logStore.appends;
  for (let i = 0; i < 10; i++) propose(leader, `${i}`);
  for (let i = 0; i < 20; i++) await world.settle();
  expect(leader.texts()).toHaveLength(10);
  expect(leader.logStore.appends - writesBefore).toBe(1);
});

test("a lone node becomes ready and commits by itself", async () => {
  const world = new World();
  const node = await startNode(world, "a", { founders: ["a"] });
  expect(await world.until(() => node.leads)).toBe(true);
  propose(node, "x");
  await world.until(() => node.texts().length === 1);
  expect(await node.machine.log.readIndex(100)).toBe(node.machine.log.commitIndex());
});

test("leadership is told before entries of its term, and is ready only once its no-op is applied", async () => {
  const world = new World();
  const { leader } = await startThree(world);
  const ready = leader.machine.leaderships.findIndex(({ ready }) => ready);
  expect(ready).toBeGreaterThan(0);
  expect(leader.machine.leaderships[ready - 1]).toMatchObject({ leader: leader.id, ready: false });
});

test("the others go on when the leader is killed, and it catches up when it is back", async () => {
  const world = new World();
  const { leader, followers } = await startThree(world);
  propose(leader, "before");
  await world.until(() => followers.every((node) => node.texts().length === 1));
  kill(world, leader);
  expect(await world.until(() => followers.some((node) => node.leads), 2_500)).toBe(true);
  propose(followers.find((node) => node.leads)!, "after");
  await world.until(() => followers.every((node) => node.texts().length === 2));
  const back = await startNode(world, leader.id, { from: leader });
  expect(await world.until(() => back.texts().length === 2)).toBe(true);
  expect(back.texts()).toEqual(["before", "after"]);
});

test("a follower's read index covers what was committed before it asked", async () => {
  const world = new World();
  const { leader, followers } = await startThree(world);
  propose(leader, "x");
  await world.until(() => leader.texts().length === 1);
  const committed = leader.machine.log.commitIndex();
  const answers = followers.map((node) => node.machine.log.readIndex(1_000));
  const indexes = Promise.all(answers);
  await world.run(300);
  for (const index of await indexes) expect(index).toBeGreaterThanOrEqual(committed);
});

test("a minority refuses strong reads with NO_QUORUM and proposes nothing", async () => {
  const world = new World();
  const { leader } = await startThree(world);
  world.cut.add(leader.id);
  const codes: (string | undefined)[] = [];
  leader.machine.log.readIndex(1_000).catch((error) => codes.push(errorCodeOf(error)));
  expect(await world.until(() => codes.length === 1)).toBe(true);
  expect(codes).toEqual(["NO_QUORUM"]);
  expect(await world.until(() => !leader.leads)).toBe(true);
  expect(propose(leader, "x")).toBe(false);
  world.cut.clear();
  expect(await world.until(() => leader.machine.log.leadership().leader !== null)).toBe(true);
});

test("a newcomer learns the log, is promoted and votes", async () => {
  const world = new World();
  const { leader } = await startThree(world);
  propose(leader, "x");
  const d = await startNode(world, "d");
  let done = false;
  const target = makeConfiguration({
    voters: [..."abcd"].map((id) => ({ replica: asReplicaId(id), weight: id === "d" ? 3 : 2 })),
  });
  leader.consensus.changeMembers(GROUP, target, 5_000).then(() => {
    done = true;
  });
  expect(await world.until(() => done && d.texts().length === 1)).toBe(true);
  expect(d.machine.installs).toBe(0);
  expect(Object.fromEntries(leader.machine.log.weights())).toEqual({ a: 2, b: 2, c: 2, d: 3 });
  expect(d.consensus.groupStatus(GROUP)?.role).toBe("follower");
});

test("a newcomer that does not answer is not promoted, and the error says why", async () => {
  const world = new World();
  const { leader } = await startThree(world);
  let message = "";
  leader.consensus
    .changeMembers(GROUP, configurationOf(["a", "b", "c", "d"]), 1_000)
    .catch((error: MyceliumError) => {
      message = `${error.code}: ${error.message}`;
    });
  await world.until(() => message !== "");
  expect(message).toContain("TIMEOUT");
  expect(message).toContain("d has not caught up");
  expect(leader.leads).toBe(true);
});

test("a node behind the cut installs a snapshot and follows the log from there", async () => {
  const world = new World();
  const settings = { trailingEntries: 2, compactMinEntries: 1 };
  const { leader, followers } = await startThree(world, settings);
  const slow = followers[0]!;
  world.cut.add(slow.id);
  for (let i = 0; i < 20; i++) propose(leader, `${i}`);
  await world.until(() => leader.texts().length === 20);
  leader.machine.log.compact(leader.machine.applied);
  world.cut.clear();
  expect(await world.until(() => slow.texts().length === 20, 10_000)).toBe(true);
  expect(slow.machine.installs).toBe(1);
  propose(leader.leads ? leader : followers.find((node) => node.leads)!, "last");
  expect(await world.until(() => slow.texts().at(-1) === "last")).toBe(true);
  expect(slow.machine.installs).toBe(1);
});

test("a node whose log cannot be written stops acknowledging, says why, and another takes over", async () => {
  const world = new World();
  const { leader, followers } = await startThree(world);
  leader.logStore.failure = new MyceliumError("STATE_CORRUPT", "Cannot append: the disk is broken");
  propose(leader, "lost");
  expect(await world.until(() => followers.some((node) => node.leads))).toBe(true);
  expect(leader.failure?.code).toBe("STATE_CORRUPT");
  expect(leader.consensus.status().failure?.message).toContain("the disk is broken");
  expect(leader.leads).toBe(false);
});

test("a node whose disk is full acknowledges nothing, another leads, and with room it follows again", async () => {
  const world = new World();
  const { leader, followers } = await startThree(world);
  leader.logStore.failure = new MyceliumError("DISK_FULL", "Cannot append: the disk is full");
  propose(leader, "first");
  expect(await world.until(() => followers.some((node) => node.leads))).toBe(true);
  const next = followers.find((node) => node.leads)!;
  propose(next, "second");
  expect(await world.until(() => next.texts().includes("second"))).toBe(true);
  expect(leader.texts()).not.toContain("second");
  expect(leader.failure).toBeNull();
  leader.logStore.failure = null;
  expect(await world.until(() => leader.texts().includes("second"), 5_000)).toBe(true);
  expect(leader.texts()).toEqual(next.texts());
});

test("a leader that stops hands over within a moment", async () => {
  const world = new World();
  const { leader, followers } = await startThree(world);
  const beganMs = world.nowMs;
  let stopped = false;
  leader.consensus.stop().then(() => {
    stopped = true;
  });
  await world.until(() => stopped && followers.some((node) => node.leads));
  expect(world.nowMs - beganMs).toBeLessThan(CONSENSUS_SETTINGS.electionMs);
});

test("garbage on the channel is dropped and changes nothing", async () => {
  const world = new World();
  const { leader } = await startThree(world);
  const before = JSON.stringify(leader.consensus.status());
  for (let size = 0; size < 64; size++) {
    leader.consensus.receive(
      asNodeId("b"),
      new Uint8Array(size).map((_, i) => (i * 37 + size) & 255),
    );
  }
  expect(JSON.stringify(leader.consensus.status())).toBe(before);
});

test("a damaged state machine behind the log's cut fetches the state before it takes part", async () => {
  const world = new World();
  const settings = { trailingEntries: 0, compactMinEntries: 1 };
  const { leader, followers } = await startThree(world, settings);
  const victim = followers[0]!;
  for (let i = 0; i < 5; i++) propose(leader, `${i}`);
  await world.until(() => victim.texts().length === 5);
  victim.machine.log.compact(victim.machine.applied);
  await world.settle();
  kill(world, victim);
  victim.machine.texts = [];
  victim.machine.applied = asLogIndex(0);
  const back = await startNode(world, victim.id, { from: victim, settings });
  expect(await world.until(() => back.texts().length === 5)).toBe(true);
  expect(back.machine.installs).toBe(1);
});

test("a log that conflicts with the snapshot its machine was made from is replaced by it", async () => {
  const world = new World();
  const { leader, followers } = await startThree(world);
  for (let i = 0; i < 3; i++) propose(leader, `${i}`);
  await world.until(() => followers.every((node) => node.texts().length === 3));
  const victim = followers[0]!;
  kill(world, victim);
  // Entries of a term that lost, where the machine holds what was committed; the end of the process came between.
  const log = victim.logStore.groups.get(GROUP)!;
  const installed = victim.machine.log.metaAt(victim.machine.applied);
  log.entries = log.entries.map((entry) => ({ ...entry, term: asTerm(1) }));
  const back = await startNode(world, victim.id, { from: victim, installed });
  propose(leader, "last");
  expect(await world.until(() => back.texts().at(-1) === "last")).toBe(true);
  expect(log.snapshot.index).toBe(installed.index);
});

test("a leader whose state machine is stuck hands over", async () => {
  const world = new World();
  const { leader, followers } = await startThree(world);
  // Set back, as by a database that is thrown away.
  leader.machine.appliedIndex = () => asLogIndex(1);
  expect(await world.until(() => !leader.leads)).toBe(true);
  expect(await world.until(() => followers.some((node) => node.leads), 10_000)).toBe(true);
});

test("a change of members is under way until a quorum holds it", async () => {
  const world = new World();
  const { leader, followers } = await startThree(world);
  const { consensus } = leader;
  const before = consensus.configuration(GROUP)!;
  const isChanging = () => consensus.groupStatus(GROUP)?.isChanging;
  expect(isChanging()).toBe(false);
  for (const { id } of followers) world.cut.add(id);
  const target = { ...before, learners: [asReplicaId("n4")] };
  const done = consensus.changeMembers(GROUP, target, 60_000).catch(() => undefined);
  expect(consensus.configuration(GROUP)).toEqual(target);
  expect(isChanging()).toBe(true);
  world.cut.clear();
  expect(await world.until(() => isChanging() === false)).toBe(true);
  await done;
});

test("members that cannot be are refused before anything changes", async () => {
  const world = new World();
  const { leader } = await startThree(world);
  const tooMany = configurationOf([..."abcdefgh"]);
  const before = leader.consensus.configuration(GROUP);
  const refused = leader.consensus.changeMembers(GROUP, tooMany, 1_000);
  expect(await refused.catch(errorCodeOf)).toBe("BAD_ARGUMENT");
  expect(leader.consensus.configuration(GROUP)).toEqual(before);
});

test("a member that may not vote deposes no leader and plays none, whatever it sends", async () => {
  const world = new World();
  const { nodes, leader } = await startThree(world);
  const term = asTerm(leader.machine.log.leadership().term + 5);
  const voters = { from: asReplicaId(MINER), to: asReplicaId(leader.id), term } as const;
  const zero = asLogIndex(0);
  const messages: Message[] = [
    { ...voters, kind: "heartbeat", commit: zero, round: 0, wantsReply: true },
    { ...voters, kind: "heartbeatResponse", round: 0 },
    { ...voters, kind: "timeoutNow" },
    {
      ...voters,
      kind: "voteRequest",
      preVote: false,
      transfer: true,
      lastIndex: asLogIndex(99),
      lastTerm: term,
    },
  ];
  for (const message of messages) {
    const writer = new FrameWriter();
    writer.add(GROUP, message);
    for (const frame of writer.takeFrames()) leader.consensus.receive(MINER, frame);
  }
  expect(leader.leads).toBe(true);
  expect(propose(leader, "x")).toBe(true);
  expect(await world.until(() => nodes.every((node) => node.texts().length === 1))).toBe(true);
});

/** The leader's writes go on all the while: its messages come far more often than once in an election timeout. */
async function withWrites(world: World, node: TestNode, holds: () => boolean): Promise<boolean> {
  for (let count = 0; count < 500 && !holds(); count++) {
    propose(node, `w${count}`);
    await world.run(20);
  }
  return holds();
}

test("a leader that both others disown is replaced while it is heard, and may follow", async () => {
  const world = new World();
  const { leader, followers } = await startThree(world);
  const { term } = leader.machine.log.leadership();
  for (const node of followers) node.consensus.disown(GROUP, term, "test");
  expect(await withWrites(world, leader, () => followers.some((node) => node.leads))).toBe(true);
  const successor = followers.find((node) => node.leads)!;
  expect(await world.until(() => leader.machine.log.leadership().leader === successor.id)).toBe(
    true,
  );
  const { term: later } = successor.machine.log.leadership();
  await world.run(5_000);
  expect(successor.machine.log.leadership()).toMatchObject({ term: later, ready: true });
});

test("disowning the leader of another term changes nothing, nor does it of oneself or by a learner", async () => {
  const world = new World();
  const { leader, nodes } = await startThree(world);
  const learner = await startNode(world, "d");
  const target = configurationOf(MEMBERS, ["d"]);
  const changed = leader.consensus.changeMembers(GROUP, target, 10_000);
  await world.run(2_000);
  await changed;
  const { term } = leader.machine.log.leadership();
  for (const node of nodes) node.consensus.disown(GROUP, asTerm(term - 1), "test");
  for (const node of [leader, learner]) node.consensus.disown(GROUP, term, "test");
  await world.run(5_000);
  expect(leader.machine.log.leadership()).toMatchObject({ term, ready: true });
});

test("one that disowns a leader the others keep costs an election, and all follow one leader again", async () => {
  const world = new World();
  const { leader, followers, nodes } = await startThree(world);
  const { term } = leader.machine.log.leadership();
  followers[0]!.consensus.disown(GROUP, term, "test");
  await world.run(5_000);
  const led = nodes.map((node) => node.machine.log.leadership());
  expect(new Set(led.map((one) => one.leader)).size).toBe(1);
  expect(led.filter((one) => one.ready).length).toBe(1);
  expect(led[0]!.term).toBeGreaterThan(term);
});
