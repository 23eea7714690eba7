/** Every table is compared between all replicas, and what differs is mended or said. */

import { expect, test } from "bun:test";
import { ReplicatedShards } from "./replicated-shards.ts";

const TABLE_DIFFERS = "store table differs between replicas";

function areEqual(shards: ReplicatedShards): boolean {
  return new Set(shards.images()).size === 1;
}

async function filled(...names: string[]): Promise<ReplicatedShards> {
  const shards = await ReplicatedShards.start(...names);
  for (const key of ["t1/a", "t1/b", "t2/a", "k"]) {
    expect(await shards.write(`set ${key} right`)).toBe("ok");
  }
  await shards.pass(100);
  expect(areEqual(shards)).toBe(true);
  return shards;
}

test("a row that changed behind a follower's back is found and mended, and nothing else stops", async () => {
  const shards = await filled("a", "b", "c");
  shards.rot("c", "t1/b", "wrong");
  expect(areEqual(shards)).toBe(false);
  await shards.until("mended", () => areEqual(shards));
  expect(shards.leader).toBe("a");
  expect(shards.errors).toEqual([`a: ${TABLE_DIFFERS}`]);
  expect(await shards.write("set k later")).toBe("ok");
  shards.stop();
});

test("a leader in the minority hands over and fetches a copy itself", async () => {
  const shards = await filled("a", "b", "c");
  shards.rot("a", "t2/a", "wrong");
  await shards.until("mended", () => areEqual(shards));
  await shards.until("handed over", () => shards.leader !== "a");
  expect(await shards.write("set k later")).toBe("ok");
  shards.stop();
});

test("a fresh copy comes from a replica that agrees with the majority", async () => {
  const shards = await filled("a", "b", "c", "d", "e");
  shards.rot("a", "t1/a", "wrong");
  shards.rot("b", "t1/a", "wrong");
  await shards.until("mended", () => areEqual(shards));
  expect(shards.errors.filter((line) => line.includes("read-only"))).toEqual([]);
  shards.stop();
});

test("replicas that agree are never in doubt, over many rounds and under writes", async () => {
  const shards = await filled("a", "b", "c");
  for (let i = 0; i < 100; i++) {
    expect(await shards.write(`set t${i % 5}/${i % 7} ${i}`)).toBe("ok");
    expect(await shards.write(`del t${(i + 2) % 5}/${i % 7}`)).toBe("ok");
    await shards.pass(100);
  }
  expect(shards.errors).toEqual([]);
  expect(areEqual(shards)).toBe(true);
  shards.stop();
});

test("without a majority every replica says that the shard is read-only, whoever leads, until there is one", async () => {
  const shards = await filled("a", "b", "c");
  shards.rot("b", "t1/a", "wrong");
  shards.rot("c", "t1/a", "wrong too");
  const why = "no majority of replicas agrees on table t1";
  await shards.until("known to all", () => shards.readOnly().every((each) => each === why));
  expect(await shards.write("set k 1")).toBe("READ_ONLY");
  shards.lead("b");
  await shards.pass(50);
  expect(await shards.write("set k 2")).toBe("READ_ONLY");
  await shards.pass(5_000);
  expect(shards.readOnly()).toEqual([why, why, why]);

  shards.rot("c", "t1/a", "right");
  await shards.until("mended", () => areEqual(shards));
  await shards.until("lifted", () => shards.readOnly().every((each) => each === null));
  expect(await shards.write("set k 3")).toBe("ok");
  shards.stop();
});

test("a restart of all forgets the doubt, and the rotation finds it again", async () => {
  const shards = await filled("a", "b", "c");
  shards.rot("b", "t1/a", "wrong");
  shards.rot("c", "t1/a", "wrong too");
  const isKnown = () => shards.readOnly().every((each) => each !== null);
  await shards.until("known to all", isKnown);
  for (const name of ["a", "b", "c"]) shards.kill(name);
  for (const name of ["a", "b", "c"]) await shards.open(name);
  expect(isKnown()).toBe(false);
  await shards.until("known again", isKnown);
  shards.stop();
});

test("replicas that are away or were replaced meanwhile have no say, and are no reason for doubt", async () => {
  const shards = await filled("a", "b", "c");
  shards.kill("c");
  await shards.pass(10_000);
  expect(shards.errors).toEqual([]);
  expect(await shards.write("set k 1")).toBe("ok");
  await shards.open("c");
  await shards.until("equal", () => areEqual(shards));
  await shards.pass(5_000);
  expect(shards.errors).toEqual([]);
  shards.stop();
});

test("a table that nobody has any more is no difference", async () => {
  const shards = await filled("a", "b", "c");
  shards.propose({
    context: { timeMs: shards.wallMs(), seed: new Uint8Array(16) },
    bundles: [],
    skipped: [],
    digest: new Uint8Array(32),
    check: "dropped",
  });
  await shards.pass(1_000);
  expect(shards.errors).toEqual([]);
  expect(await shards.write("set k 1")).toBe("ok");
  shards.stop();
});

test("a digest that the others have forgotten is settled by their tables", async () => {
  const shards = await filled("a", "b", "c");
  shards.kill("c");
  expect(await shards.write("incr n/a")).toBe("ok");
  shards.rotDisk("c", "n/a", "41");
  for (const name of ["a", "b"]) {
    shards.kill(name);
    await shards.open(name);
  }
  await shards.open("c");
  await shards.until("mended", () => areEqual(shards));
  await shards.until("lifted", () => shards.readOnly().every((each) => each === null));
  expect(shards.errors).toContain("c: store digest differs from the leader's");
  expect(await shards.write("incr n/a")).toBe("ok");
  shards.stop();
});

test("a replica that does not vote casts no doubt on those that do: it takes their copy", async () => {
  const shards = await filled("a", "b", "c", "miner");
  shards.kill("miner");
  expect(await shards.write("incr n/a")).toBe("ok");
  shards.rotDisk("miner", "n/a", "41");
  for (const name of ["a", "b", "c"]) {
    shards.kill(name);
    await shards.open(name);
  }
  await shards.open("miner");
  const wasReadOnly = () => shards.readOnly().some((each) => each !== null);
  await shards.until("mended", () => wasReadOnly() || areEqual(shards));
  expect(wasReadOnly()).toBe(false);
  expect(shards.errors).toContain("miner: store digest differs from the leader's");
  for (const index of [1, 2, 3, 999, 999, 999, 999, 999, 999]) await shards.report("miner", index);
  expect(wasReadOnly()).toBe(false);
  expect(await shards.write("incr n/a")).toBe("ok");
  shards.stop();
});

test("a verdict that is lost is told again", async () => {
  const shards = await filled("a", "b", "c");
  let lostCount = 0;
  shards.loses = (to, method) => to === "c" && method.endsWith("digest-verdict") && ++lostCount < 4;
  shards.rot("c", "t1/a", "wrong");
  await shards.until("mended", () => areEqual(shards));
  expect(lostCount).toBe(4);
  shards.stop();
});

test("leaders that change all the time check every table all the same", async () => {
  const shards = await filled("a", "b", "c");
  shards.rot("c", "t2/a", "wrong");
  for (let i = 0; i < 40 && !areEqual(shards); i++) {
    shards.lead(["a", "b", "c"][i % 3] ?? "a");
    await shards.pass(150);
  }
  expect(areEqual(shards)).toBe(true);
  expect(shards.readOnly()).toEqual([null, null, null]);
  shards.stop();
});

test("a fresh copy that cannot be fetched is fetched later, and nobody is in doubt meanwhile", async () => {
  const shards = await filled("a", "b", "c");
  shards.loses = (_to, method) => method.endsWith("snapshot-open");
  shards.rot("b", "t1/a", "wrong");
  await shards.pass(10_000);
  expect(areEqual(shards)).toBe(false);
  expect(await shards.write("set t1/b later")).toBe("ok");
  shards.loses = null;
  await shards.until("mended", () => areEqual(shards));
  expect(shards.readOnly()).toEqual([null, null, null]);
  shards.stop();
});

test("a digest that differs while the third replica is away waits for it, and is mended when it is back", async () => {
  const shards = await filled("a", "b", "c");
  shards.rot("b", "n/a", "41");
  shards.kill("c");
  expect(await shards.write("incr n/a")).toBe("ok");
  await shards.until("doubt", () => shards.readOnly().every((each) => each !== null));
  expect(await shards.write("set k 1")).toBe("READ_ONLY");
  await shards.open("c");
  await shards.until("mended", () => areEqual(shards));
  await shards.until("lifted", () => shards.readOnly().every((each) => each === null));
  expect(await shards.write("set k 2")).toBe("ok");
  shards.stop();
});
