import { expect, test } from "bun:test";
import { asLogIndex, asRequestId, asTerm, EMPTY_BYTES, SeededRandom } from "../../base/index.ts";
import type { BatchContext, Request } from "../../domain/replication/index.ts";
import { partsOf } from "../../domain/replication/testing/parts-of.ts";
import type { ProgramResult } from "../../domain/sql/index.ts";
import { MemoryHost } from "./host.ts";
import { Scheduler } from "./scheduler.ts";
import { MemoryShardDatabase } from "./shard-database.ts";
import { MemoryShardDisk } from "./shard-state.ts";

const LEADING = { alone: false, deadlineMs: 1_000 };
const READING = { role: "read", deadlineMs: 1_000, snapshot: null } as const;
let idCount = 0;

function program(...statements: string[]) {
  return {
    steps: statements.map((sql) => ({
      statement: { sql, args: [], namedArgs: [], wantRows: true },
      condition: null,
    })),
  };
}

function request(...statements: string[]): Request {
  return { id: asRequestId(`r${++idCount}`), role: "write", program: program(...statements) };
}

function context(timeMs: number): BatchContext {
  return { timeMs, seed: new Uint8Array(16).fill(timeMs % 251) };
}

function values(result: ProgramResult) {
  return result.steps.map((step) => (step?.ok === true ? step.result.rows[0]?.[0] : step));
}

async function makeDatabase(disk = new MemoryShardDisk()) {
  const scheduler = new Scheduler(1);
  const host = new MemoryHost("a", scheduler);
  host.start();
  const timing = { writeMs: () => 1, readMs: () => 1 };
  const database = new MemoryShardDatabase(disk, host, timing);
  const settle = <T>(promise: Promise<T>) => scheduler.settle(promise);
  const position = await settle(database.open());
  const get = async (key: string) =>
    values(await settle(database.query(program(`get ${key}`), READING)))[0];
  return { database, disk, settle, position, get };
}

test("readers see a batch only once it is committed", async () => {
  const { database, settle, get } = await makeDatabase();
  await settle(database.runBatch(context(1), partsOf(request("set x 1")), LEADING));
  expect(await get("x")).toBe(null);
  await settle(database.commit(asLogIndex(3)));
  expect(await get("x")).toBe("1");
});

test("a rolled back batch leaves nothing behind", async () => {
  const { database, settle, get } = await makeDatabase();
  await settle(database.runBatch(context(1), partsOf(request("set x 1")), LEADING));
  await settle(database.rollback());
  expect(await get("x")).toBe(null);
  await settle(database.runBatch(context(2), partsOf(request("append x 2")), LEADING));
  await settle(database.commit(asLogIndex(1)));
  expect(await get("x")).toBe("2");
});

test("a request is applied once and its result kept for 10 minutes of pinned time, a leap counting little", async () => {
  const { database, settle } = await makeDatabase();
  const once = request("incr n");
  let index = 0;
  const run = async (timeMs: number, asked = request("append x y")) => {
    const outcome = await settle(database.runBatch(context(timeMs), partsOf(asked), LEADING));
    await settle(database.commit(asLogIndex(++index)));
    return { kind: outcome.outcomes[0]!.kind, value: values(outcome.outcomes[0]!.result)[0] };
  };
  expect(await run(0, once)).toEqual({ kind: "applied", value: "1" });
  // As much as counts of one step, then a leap of three hours that counts no more.
  for (let minute = 1; minute <= 9; minute++) await run(60_000 * minute);
  const leapMs = 10_800_000;
  await run(leapMs);
  expect(await run(leapMs, once)).toEqual({ kind: "replayed", value: "1" });
  await run(leapMs + 1);
  expect(await run(leapMs + 1, once)).toEqual({ kind: "applied", value: "2" });
});

test("a follower gets the leader's digest, without the requests that had no effect", async () => {
  const leader = await makeDatabase();
  const follower = await makeDatabase();
  const requests = [
    request("cas x nothing 1"),
    request("random r", "now t", "append x a"),
    request("fail", "incr n"),
  ];
  const outcome = await leader.settle(
    leader.database.runBatch(context(7), partsOf(...requests), LEADING),
  );
  expect(outcome.outcomes.map(({ kind }) => kind)).toEqual(["unchanged", "applied", "applied"]);
  await leader.settle(leader.database.commit(asLogIndex(1)));
  const parts = partsOf(...requests).map(({ payload }) => ({ payload, positions: [1, 2] }));
  const batch = { index: asLogIndex(1), context: context(7), parts };
  const digests = await follower.settle(follower.database.apply([batch]));
  expect(digests).toEqual([outcome.digest]);
  expect(follower.database.inspect()).toEqual(leader.database.inspect());
});

test("what needs a transaction of its own is not run with others", async () => {
  const { database, settle } = await makeDatabase();
  const schema = request("schema s");
  const together = await settle(database.runBatch(context(1), partsOf(schema), LEADING));
  expect(together.outcomes[0]!.kind).toBe("alone");
  await settle(database.rollback());
  const alone = await settle(
    database.runBatch(context(1), partsOf(schema), { ...LEADING, alone: true }),
  );
  expect(alone.outcomes[0]!.kind).toBe("applied");
});

test("an interactive transaction ends at its COMMIT and is executed alike by a follower", async () => {
  const leader = await makeDatabase();
  const follower = await makeDatabase();
  await leader.settle(leader.database.beginInteractive(context(5), "write"));
  const step = (sql: string) => leader.settle(leader.database.stepInteractive(program(sql), 1_000));
  expect((await step("begin")).autocommit).toBe(false);
  expect(values(await step("append x 1"))).toEqual(["1"]);
  await step("random r");
  expect((await step("commit")).autocommit).toBe(true);
  const sealed = request("begin", "append x 1", "random r", "commit");
  const outcome = await leader.settle(leader.database.sealInteractive(sealed));
  await leader.settle(leader.database.commit(asLogIndex(1)));
  const batch = { index: asLogIndex(1), context: context(5), parts: partsOf(sealed) };
  expect(await follower.settle(follower.database.apply([batch]))).toEqual([outcome.digest]);
});

test("a power cut loses what was committed after the checkpoint, the newest first", async () => {
  const seen = new Set<number>();
  for (let seed = 0; seed < 40; seed++) {
    const { database, disk, settle } = await makeDatabase();
    for (let i = 1; i <= 4; i++) {
      await settle(database.runBatch(context(i), partsOf(request(`set x ${i}`)), LEADING));
      await settle(database.commit(asLogIndex(i)));
      if (i === 2) expect(await settle(database.checkpoint())).toBe(asLogIndex(2));
    }
    disk.cutPower(new SeededRandom(seed));
    const { position, get } = await makeDatabase(disk);
    expect(await get("x")).toBe(String(position.appliedIndex));
    seen.add(position.appliedIndex);
  }
  expect([...seen].sort()).toEqual([2, 3, 4].map(asLogIndex));
});

test("a snapshot carries data, position and kept results; a damaged one is refused", async () => {
  const source = await makeDatabase();
  const once = request("incr n");
  await source.settle(source.database.runBatch(context(9), partsOf(once), LEADING));
  await source.settle(source.database.commit(asLogIndex(6)));
  const info = await source.settle(
    source.database.createSnapshot((index) => ({
      index,
      term: asTerm(2),
      configuration: EMPTY_BYTES,
    })),
  );
  const target = await makeDatabase();
  const read = (offset: number, size: number) =>
    source.database.readSnapshot(info.id, offset, size);
  const spoiled = { ...info, sha256: new Uint8Array(32) };
  expect(target.settle(target.database.installSnapshot(spoiled, read))).rejects.toThrow("hash");
  const position = await target.settle(target.database.installSnapshot(info, read));
  expect(position).toMatchObject({ appliedIndex: asLogIndex(6), pinnedTimeMs: 9 });
  const again = await target.settle(target.database.runBatch(context(10), partsOf(once), LEADING));
  expect(again.outcomes[0]).toMatchObject({ kind: "replayed" });
});

test("a damaged file cannot be opened until it is reset", async () => {
  const disk = new MemoryShardDisk();
  disk.isCorrupt = true;
  expect(makeDatabase(disk)).rejects.toThrow("damaged");
  disk.replace(disk.load());
  expect((await makeDatabase(disk)).position.appliedIndex).toBe(asLogIndex(0));
});
