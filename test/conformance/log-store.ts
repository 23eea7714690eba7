/** What every LogStore must do. `makeStore` is called per case; `reopen` closes and opens the same storage again. */

import { describe, expect, test } from "bun:test";
import {
  asGroupId,
  asLogIndex,
  asReplicaId,
  asTerm,
  type LogIndex,
  utf8,
} from "../../src/base/index.ts";
import type { LogEntry, LogStore, RecoveredGroup, SnapshotMeta } from "../../src/ports/index.ts";

export interface StoreUnderTest {
  /** A store over new, empty storage, not opened yet. */
  readonly store: LogStore;
  /** Closes it in good order, and returns a store, not opened yet, over what it left. */
  reopen(): Promise<LogStore>;
  /** Frees what the case used. */
  dispose(): Promise<void>;
}

const MAIN = asGroupId("main");
const SYSTEM = asGroupId("system");
const ALL_BYTES = 1 << 30;

const at = (index: number): LogIndex => asLogIndex(index);

function snapshotAt(index: number, term: number): SnapshotMeta {
  return { index: at(index), term: asTerm(term), configuration: utf8(`configuration ${index}`) };
}

function entriesFrom(first: number, count: number, term: number, size = 8): LogEntry[] {
  return Array.from({ length: count }, (_, i) => ({
    index: at(first + i),
    term: asTerm(term),
    kind: "command",
    payload: utf8(`${first + i}.${term}`.padEnd(size, "x")),
  }));
}

function append(store: LogStore, entries: readonly LogEntry[], group = MAIN): Promise<void> {
  return store.append([{ group, hardState: null, entries }]);
}

function readAll(store: LogStore, last: number, group = MAIN): readonly LogEntry[] {
  return store.entries(group, at(1), at(last), ALL_BYTES);
}

function plain(entries: readonly LogEntry[]): unknown {
  return entries.map(({ index, term, kind, payload }) => ({
    index,
    term,
    kind,
    payload: Buffer.from(payload).toString(),
  }));
}

function found(groups: readonly RecoveredGroup[], group = MAIN): RecoveredGroup {
  const match = groups.find((each) => each.group === group);
  if (match === undefined) throw new Error(`group ${group} was not recovered`);
  return match;
}

export function logStoreConformance(
  name: string,
  makeStore: () => Promise<StoreUnderTest> | StoreUnderTest,
): void {
  const check = (title: string, body: (subject: StoreUnderTest) => Promise<void>) =>
    test(title, async () => {
      const subject = await makeStore();
      try {
        await body(subject);
      } finally {
        await subject.dispose();
      }
    });

  describe(`${name} as a LogStore`, () => {
    check("a new store holds no groups", async ({ store }) => {
      expect(await store.open()).toEqual([]);
      expect(store.sizeBytes()).toBeGreaterThanOrEqual(0);
    });

    check("a created group is empty behind its snapshot", async ({ store, reopen }) => {
      await store.open();
      await store.create(MAIN, snapshotAt(7, 3));
      expect(store.termOf(MAIN, at(7))).toBe(asTerm(3));
      expect(store.termOf(MAIN, at(8))).toBeNull();
      expect(store.termOf(MAIN, at(6))).toBeNull();
      expect(store.entries(MAIN, at(8), at(20), ALL_BYTES)).toEqual([]);
      const group = found(await (await reopen()).open());
      expect(group.lastIndex).toBe(at(7));
      expect(group.snapshot).toEqual(snapshotAt(7, 3));
      expect(group.hardState).toEqual({ term: asTerm(0), votedFor: null });
      expect(group.damagedUpTo).toBeNull();
    });

    check("entries can be read before they are durable, and after a restart", async (subject) => {
      const { store, reopen } = subject;
      await store.open();
      await store.create(MAIN, snapshotAt(0, 0));
      const entries = entriesFrom(1, 5, 1);
      const durable = append(store, entries);
      expect(plain(readAll(store, 5))).toEqual(plain(entries));
      expect(store.termOf(MAIN, at(5))).toBe(asTerm(1));
      await durable;
      const again = await reopen();
      expect(found(await again.open()).lastIndex).toBe(at(5));
      expect(plain(readAll(again, 5))).toEqual(plain(entries));
    });

    check("appends resolve in call order", async ({ store }) => {
      await store.open();
      await store.create(MAIN, snapshotAt(0, 0));
      const order: number[] = [];
      const appends = [1, 2, 3, 4].map((i) =>
        append(store, entriesFrom(i, 1, 1)).then(() => order.push(i)),
      );
      await Promise.all(appends);
      expect(order).toEqual([1, 2, 3, 4]);
    });

    check("term and vote survive, with and without entries", async ({ store, reopen }) => {
      await store.open();
      await store.create(MAIN, snapshotAt(0, 0));
      await store.create(SYSTEM, snapshotAt(0, 0));
      const votedFor = asReplicaId("someone");
      await store.append([
        { group: MAIN, hardState: { term: asTerm(4), votedFor }, entries: [] },
        { group: SYSTEM, hardState: { term: asTerm(2), votedFor: null }, entries: [] },
      ]);
      await append(store, entriesFrom(1, 1, 4));
      const groups = await (await reopen()).open();
      expect(found(groups).hardState).toEqual({ term: asTerm(4), votedFor });
      expect(found(groups, SYSTEM).hardState).toEqual({ term: asTerm(2), votedFor: null });
      expect(found(groups).lastIndex).toBe(at(1));
    });

    check("new entries replace the old ones from their index on", async ({ store, reopen }) => {
      await store.open();
      await store.create(MAIN, snapshotAt(0, 0));
      await append(store, entriesFrom(1, 10, 1));
      const second = append(store, entriesFrom(4, 2, 2));
      const expected = [...entriesFrom(1, 3, 1), ...entriesFrom(4, 2, 2)];
      expect(plain(readAll(store, 10))).toEqual(plain(expected));
      expect(store.termOf(MAIN, at(6))).toBeNull();
      await second;
      const again = await reopen();
      expect(found(await again.open()).lastIndex).toBe(at(5));
      expect(plain(readAll(again, 10))).toEqual(plain(expected));
    });

    check("a read gives at least one entry, then keeps to its size", async ({ store }) => {
      await store.open();
      await store.create(MAIN, snapshotAt(0, 0));
      await append(store, entriesFrom(1, 10, 1, 100));
      expect(store.entries(MAIN, at(3), at(9), 1)).toHaveLength(1);
      expect(store.entries(MAIN, at(3), at(9), 350)).toHaveLength(3);
      expect(store.entries(MAIN, at(3), at(9), ALL_BYTES)).toHaveLength(7);
    });

    check("compaction forgets up to its index and keeps the rest", async ({ store, reopen }) => {
      await store.open();
      await store.create(MAIN, snapshotAt(0, 0));
      await append(store, entriesFrom(1, 10, 1));
      await store.compact(MAIN, snapshotAt(6, 1));
      const kept = plain(entriesFrom(7, 4, 1));
      expect(store.termOf(MAIN, at(6))).toBe(asTerm(1));
      expect(store.termOf(MAIN, at(5))).toBeNull();
      expect(plain(store.entries(MAIN, at(7), at(10), ALL_BYTES))).toEqual(kept);
      await store.compact(MAIN, snapshotAt(3, 1));
      const again = await reopen();
      const group = found(await again.open());
      expect(group.snapshot).toEqual(snapshotAt(6, 1));
      expect(group.lastIndex).toBe(at(10));
      expect(plain(again.entries(MAIN, at(7), at(10), ALL_BYTES))).toEqual(kept);
    });

    check("a reset replaces the whole log by the snapshot", async ({ store, reopen }) => {
      await store.open();
      await store.create(MAIN, snapshotAt(0, 0));
      const hardState = { term: asTerm(5), votedFor: null };
      await store.append([{ group: MAIN, hardState, entries: entriesFrom(1, 30, 1) }]);
      await store.reset(MAIN, snapshotAt(20, 4));
      expect(store.entries(MAIN, at(21), at(30), ALL_BYTES)).toEqual([]);
      expect(store.termOf(MAIN, at(20))).toBe(asTerm(4));
      expect(store.termOf(MAIN, at(25))).toBeNull();
      const again = await reopen();
      const group = found(await again.open());
      expect(group.lastIndex).toBe(at(20));
      expect(group.snapshot).toEqual(snapshotAt(20, 4));
      expect(group.hardState).toEqual(hardState);
      expect(group.damagedUpTo).toBeNull();
      await append(again, entriesFrom(21, 2, 5));
      expect(plain(again.entries(MAIN, at(21), at(22), ALL_BYTES))).toEqual(
        plain(entriesFrom(21, 2, 5)),
      );
    });

    check("a removed group is gone, and can be created anew", async ({ store, reopen }) => {
      await store.open();
      await store.create(MAIN, snapshotAt(0, 0));
      await store.create(SYSTEM, snapshotAt(0, 0));
      await append(store, entriesFrom(1, 3, 1));
      await append(store, entriesFrom(1, 2, 1), SYSTEM);
      await store.remove(MAIN);
      const again = await reopen();
      const groups = await again.open();
      expect(groups.map((group) => group.group)).toEqual([SYSTEM]);
      expect(found(groups, SYSTEM).lastIndex).toBe(at(2));
      await again.create(MAIN, snapshotAt(0, 0));
      expect(again.entries(MAIN, at(1), at(3), ALL_BYTES)).toEqual([]);
    });

    check("groups share the log without mixing", async ({ store, reopen }) => {
      await store.open();
      await store.create(MAIN, snapshotAt(0, 0));
      await store.create(SYSTEM, snapshotAt(0, 0));
      for (let i = 1; i <= 20; i++) {
        await store.append([
          { group: MAIN, hardState: null, entries: entriesFrom(i, 1, 1, 50) },
          { group: SYSTEM, hardState: null, entries: entriesFrom(2 * i - 1, 2, 7, 20) },
        ]);
      }
      const again = await reopen();
      await again.open();
      expect(plain(readAll(again, 20))).toEqual(plain(entriesFrom(1, 20, 1, 50)));
      expect(readAll(again, 40, SYSTEM)).toHaveLength(40);
      expect(again.termOf(SYSTEM, at(40))).toBe(asTerm(7));
    });

    check("an append of nothing resolves once all before it is durable", async ({ store }) => {
      await store.open();
      await store.create(MAIN, snapshotAt(0, 0));
      let isDurable = false;
      void append(store, entriesFrom(1, 1, 1)).then(() => {
        isDurable = true;
      });
      await store.append([]);
      expect(isDurable).toBe(true);
    });
  });
}
