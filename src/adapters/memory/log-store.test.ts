import { expect, test } from "bun:test";
import {
  asGroupId,
  asLogIndex,
  asReplicaId,
  asTerm,
  EMPTY_BYTES,
  SeededRandom,
} from "../../base/index.ts";
import type { LogEntry } from "../../ports/index.ts";
import { MemoryHost } from "./host.ts";
import { MemoryLogDisk, MemoryLogStore } from "./log-store.ts";
import { Scheduler } from "./scheduler.ts";

const GROUP = asGroupId("main");
const EMPTY = { index: asLogIndex(0), term: asTerm(0), configuration: EMPTY_BYTES };

function entry(index: number, term: number): LogEntry {
  return {
    index: asLogIndex(index),
    term: asTerm(term),
    kind: "command",
    payload: Uint8Array.of(index, term),
  };
}

async function makeStore(disk: MemoryLogDisk, scheduler: Scheduler) {
  const host = new MemoryHost("a", scheduler);
  host.start();
  const store = new MemoryLogStore(disk, host, { syncMs: () => 10 });
  const recovered = await scheduler.settle(store.open());
  return { host, store, recovered };
}

async function withEntries(count: number) {
  const scheduler = new Scheduler(1);
  const disk = new MemoryLogDisk();
  const { host, store } = await makeStore(disk, scheduler);
  await scheduler.settle(store.create(GROUP, EMPTY));
  const entries = Array.from({ length: count }, (_, i) => entry(i + 1, 1));
  await scheduler.settle(store.append([{ group: GROUP, hardState: null, entries }]));
  return { scheduler, disk, host, store };
}

test("a write is read back at once and durable only after its sync", async () => {
  const { scheduler, disk, host, store } = await withEntries(2);
  let isDurable = false;
  void store.append([{ group: GROUP, hardState: null, entries: [entry(3, 1)] }]).then(() => {
    isDurable = true;
  });
  expect(store.termOf(GROUP, asLogIndex(3))).toBe(asTerm(1));
  expect(isDurable).toBe(false);
  expect(disk.holds(GROUP, asLogIndex(3), asTerm(1))).toBe(false);
  scheduler.runUntil(scheduler.nowMs + 10);
  expect(isDurable).toBe(true);
  expect(disk.holds(GROUP, asLogIndex(3), asTerm(1))).toBe(true);
  host.kill();
});

test("a power cut keeps all that was synced and a first part of the rest", async () => {
  const kept = new Set<number>();
  for (let seed = 0; seed < 30; seed++) {
    const { scheduler, disk, host, store } = await withEntries(2);
    for (let i = 3; i < 6; i++) {
      void store.append([{ group: GROUP, hardState: null, entries: [entry(i, 1)] }]);
    }
    host.kill();
    disk.cutPower(new SeededRandom(seed));
    const { recovered } = await makeStore(disk, scheduler);
    kept.add(recovered[0]!.lastIndex);
  }
  expect([...kept].sort()).toEqual([2, 3, 4, 5].map(asLogIndex));
});

test("entries replace the log from the first one's index on", async () => {
  const { scheduler, store } = await withEntries(4);
  const hardState = { term: asTerm(2), votedFor: asReplicaId("b") };
  await scheduler.settle(store.append([{ group: GROUP, hardState, entries: [entry(2, 2)] }]));
  expect(store.termOf(GROUP, asLogIndex(2))).toBe(asTerm(2));
  expect(store.termOf(GROUP, asLogIndex(3))).toBe(null);
});

test("a gap is a bug of the caller", async () => {
  const { store } = await withEntries(1);
  const write = { group: GROUP, hardState: null, entries: [entry(4, 1)] };
  expect(() => store.append([write])).toThrow("leaves a gap");
});

test("compaction forgets entries and keeps the term at the cut", async () => {
  const { scheduler, store } = await withEntries(4);
  const cut = { index: asLogIndex(3), term: asTerm(1), configuration: EMPTY_BYTES };
  await scheduler.settle(store.compact(GROUP, cut));
  expect(store.termOf(GROUP, asLogIndex(3))).toBe(asTerm(1));
  expect(store.termOf(GROUP, asLogIndex(2))).toBe(null);
  expect(store.entries(GROUP, asLogIndex(4), asLogIndex(9), 1_000)).toEqual([entry(4, 1)]);
  expect(() => store.entries(GROUP, asLogIndex(3), asLogIndex(4), 1_000)).toThrow("compacted");
});

test("damage to synced entries is told, until they are whole again", async () => {
  const { scheduler, disk, host } = await withEntries(4);
  host.kill();
  expect(disk.damage(GROUP, new SeededRandom(2))).toBe(true);
  const { store, recovered } = await makeStore(disk, scheduler);
  const [state] = recovered;
  expect(state!.damagedUpTo).toBe(asLogIndex(4));
  expect(state!.lastIndex).toBeLessThan(4);
  const missing = [1, 2, 3, 4].filter((i) => i > state!.lastIndex).map((i) => entry(i, 1));
  await scheduler.settle(store.append([{ group: GROUP, hardState: null, entries: missing }]));
  expect(disk.isDamaged(GROUP)).toBe(false);
});

test("a full disk refuses writes and says so", async () => {
  const { disk, store } = await withEntries(1);
  disk.isFull = true;
  const write = { group: GROUP, hardState: null, entries: [entry(2, 1)] };
  expect(store.append([write])).rejects.toThrow("disk is full");
});
