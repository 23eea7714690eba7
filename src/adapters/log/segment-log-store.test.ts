import { describe, expect, test } from "bun:test";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { logStoreConformance } from "../../../test/conformance/log-store.ts";
import {
  asGroupId,
  asLogIndex,
  asReplicaId,
  asTerm,
  errorCodeOf,
  SeededRandom,
} from "../../base/index.ts";
import type { LogEntry } from "../../ports/index.ts";
import { SegmentLogStore } from "./segment-log-store.ts";
import { FaultyDisk } from "./testing/faulty-disk.ts";

logStoreConformance("segment files", () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "mycelium-log-"));
  const make = () => new SegmentLogStore({ directory: path.join(directory, "log") });
  let store = make();
  return {
    store,
    async reopen() {
      await store.close();
      store = make();
      return store;
    },
    async dispose() {
      await store.close();
      fs.rmSync(directory, { recursive: true });
    },
  };
});

logStoreConformance("tiny segments and no cache", () => {
  const disk = new FaultyDisk();
  const options = { directory: "memory", disk, segmentSizeBytes: 9_000, cacheSizeBytes: 0 };
  let store = new SegmentLogStore(options);
  return {
    store,
    async reopen() {
      await store.close();
      store = new SegmentLogStore(options);
      return store;
    },
    dispose: () => store.close(),
  };
});

const MAIN = asGroupId("main");
const NOTHING = { index: asLogIndex(0), term: asTerm(0), configuration: new Uint8Array(0) };

function entry(index: number, sizeBytes = 10): LogEntry {
  const payload = new Uint8Array(sizeBytes).fill(index);
  return { index: asLogIndex(index), term: asTerm(1), kind: "command", payload };
}

async function openedStore(disk: FaultyDisk, segmentSizeBytes = 1 << 20): Promise<SegmentLogStore> {
  const store = new SegmentLogStore({ directory: "memory", disk, segmentSizeBytes });
  const groups = await store.open();
  if (groups.length === 0) await store.create(MAIN, NOTHING);
  return store;
}

function append(store: SegmentLogStore, index: number, sizeBytes?: number): Promise<void> {
  const entries = [entry(index, sizeBytes)];
  return store.append([{ group: MAIN, hardState: null, entries }]);
}

describe("SegmentLogStore", () => {
  test("what was written and not synced survives a power cut once a later start has found it", async () => {
    for (let seed = 0; seed < 40; seed++) {
      const disk = new FaultyDisk();
      const store = await openedStore(disk);
      await append(store, 1);
      const { promise, reject } = Promise.withResolvers<void>();
      disk.syncGate = promise;
      const hardState = { term: asTerm(7), votedFor: asReplicaId("x") };
      const refused = store
        .append([{ group: MAIN, hardState, entries: [entry(2)] }])
        .catch(errorCodeOf);
      for (let i = 0; i < 9; i++) await null;
      // The kernel has the bytes, and serves them to whoever opens the log again.
      reject(new Error("EIO: i/o error"));
      expect(await refused).toBe("STATE_NOT_WRITABLE");
      disk.syncGate = null;
      const found = await new SegmentLogStore({ directory: "memory", disk }).open();
      expect(found[0]).toMatchObject({ lastIndex: asLogIndex(2), hardState });
      disk.cutPower(new SeededRandom(seed));
      const again = await new SegmentLogStore({ directory: "memory", disk }).open();
      expect(again[0]).toMatchObject({ lastIndex: asLogIndex(2), hardState });
    }
  });

  test("one sync serves all appends that came while the one before was under way", async () => {
    const disk = new FaultyDisk();
    const store = await openedStore(disk);
    const { promise, resolve } = Promise.withResolvers<void>();
    disk.syncGate = promise;
    const before = disk.syncCount;
    const first = append(store, 1);
    await Promise.resolve();
    await Promise.resolve();
    const rest = Array.from({ length: 50 }, (_, i) => append(store, i + 2));
    disk.syncGate = null;
    resolve();
    await Promise.all([first, ...rest]);
    expect(disk.syncCount - before).toBe(2);
  });

  test("entries on disk can be read while those behind them are being written", async () => {
    const disk = new FaultyDisk();
    const store = new SegmentLogStore({ directory: "memory", disk, cacheSizeBytes: 0 });
    await store.open();
    await store.create(MAIN, NOTHING);
    await append(store, 1);
    const { promise, resolve } = Promise.withResolvers<void>();
    disk.writeGate = promise;
    const written = append(store, 2);
    for (let i = 0; i < 5; i++) await null;
    const read = store.entries(MAIN, asLogIndex(1), asLogIndex(2), 1 << 20);
    expect(read).toEqual([entry(1), entry(2)]);
    resolve();
    await written;
    expect(store.entries(MAIN, asLogIndex(1), asLogIndex(2), 1 << 20)).toEqual(read);
  });

  test("an entry can be read while it is being moved out of an old segment", async () => {
    const disk = new FaultyDisk();
    const entryCount = 6;
    for (let index = 1; index <= entryCount; index++) {
      // Each start begins a segment.
      const store = await openedStore(disk);
      await append(store, index);
      await store.close();
    }
    const store = await openedStore(disk);
    const first = Promise.withResolvers<void>();
    const move = Promise.withResolvers<void>();
    disk.writeGate = first.promise;
    const written = append(store, entryCount + 1);
    for (let i = 0; i < 5; i++) await null;
    disk.writeGate = move.promise;
    first.resolve();
    await written;
    const all = Array.from({ length: entryCount + 1 }, (_, i) => entry(i + 1));
    const read = () => store.entries(MAIN, asLogIndex(1), asLogIndex(entryCount + 1), 1 << 20);
    expect(read()).toEqual(all);
    const segmentCount = disk.list().length;
    disk.writeGate = null;
    move.resolve();
    await append(store, entryCount + 2);
    expect(read()).toEqual(all);
    expect(disk.list().length).toBeLessThan(segmentCount);
  });

  test("a full disk refuses, and the next append after room returned keeps everything", async () => {
    const disk = new FaultyDisk();
    const store = await openedStore(disk);
    await append(store, 1);
    disk.roomBytes = 100;
    expect(errorCodeOf(await append(store, 2, 5_000).catch((error) => error))).toBe("DISK_FULL");
    expect(errorCodeOf(await append(store, 3).catch((error) => error))).toBe("DISK_FULL");
    disk.roomBytes = Number.POSITIVE_INFINITY;
    await store.append([]);
    await store.close();
    const again = await openedStore(disk);
    expect(again.entries(MAIN, asLogIndex(1), asLogIndex(9), 1 << 20)).toEqual([
      entry(1),
      entry(2, 5_000),
      entry(3),
    ]);
  });

  test("a full disk that needs a new segment refuses and recovers too", async () => {
    const disk = new FaultyDisk();
    const store = await openedStore(disk, 10_000);
    await append(store, 1, 3_000);
    disk.roomBytes = 0;
    expect(errorCodeOf(await append(store, 2, 9_000).catch((error) => error))).toBe("DISK_FULL");
    disk.roomBytes = Number.POSITIVE_INFINITY;
    await append(store, 3);
    await store.close();
    const again = await openedStore(disk);
    expect(again.entries(MAIN, asLogIndex(1), asLogIndex(9), 1 << 20)).toHaveLength(3);
  });

  test("a failed sync is never tried again: the log is dead and says so", async () => {
    const disk = new FaultyDisk();
    const store = await openedStore(disk);
    await append(store, 1);
    disk.failNextSync = true;
    const codes = [append(store, 2), append(store, 3)].map((each) => each.catch((error) => error));
    for (const refusal of await Promise.all(codes)) {
      expect(errorCodeOf(refusal)).toBe("STATE_NOT_WRITABLE");
    }
    const before = disk.syncCount;
    expect(errorCodeOf(await append(store, 4).catch((error) => error))).toBe("STATE_NOT_WRITABLE");
    expect(disk.syncCount).toBe(before);
  });

  test("compaction deletes segments, also when a quiet group has entries in an old one", async () => {
    const disk = new FaultyDisk();
    const store = await openedStore(disk, 20_000);
    const quiet = asGroupId("quiet");
    await store.create(quiet, NOTHING);
    await store.append([{ group: quiet, hardState: null, entries: [entry(1), entry(2)] }]);
    for (let index = 1; index <= 400; index++) {
      await append(store, index, 1_000);
      if (index % 20 !== 0) continue;
      await store.compact(MAIN, { ...NOTHING, index: asLogIndex(index - 5), term: asTerm(1) });
    }
    await store.append([]);
    expect(disk.list().length).toBeLessThan(9);
    await store.close();
    const again = await openedStore(disk);
    expect(again.entries(quiet, asLogIndex(1), asLogIndex(2), 1 << 20)).toEqual([
      entry(1),
      entry(2),
    ]);
    expect(again.entries(MAIN, asLogIndex(396), asLogIndex(400), 1 << 20)).toHaveLength(5);
  });

  test("a checksum that is wrong on reading back is an error, not an entry", async () => {
    const disk = new FaultyDisk();
    const store = new SegmentLogStore({ directory: "memory", disk, cacheSizeBytes: 0 });
    await store.open();
    await store.create(MAIN, NOTHING);
    await append(store, 1, 2_000);
    await append(store, 2, 2_000);
    const name = disk.list().find((each) => each.endsWith(".log"))!;
    const at = Buffer.from(disk.files.get(name)!.current).indexOf(Buffer.alloc(2_000, 1));
    disk.flipBit(name, at + 100, 3);
    const read = () => store.entries(MAIN, asLogIndex(1), asLogIndex(1), 1 << 20);
    expect(read).toThrow("checksum");
  });

  test("both copies of the votes damaged is STATE_CORRUPT", async () => {
    const disk = new FaultyDisk();
    const store = await openedStore(disk);
    const hardState = { term: asTerm(9), votedFor: null };
    await store.append([{ group: MAIN, hardState, entries: [entry(1)] }]);
    await store.close();
    for (const offset of [20, 20 + 256 * 1_024]) disk.flipBit("votes", offset, 0);
    const opening = openedStore(disk).catch((error) => error);
    expect(errorCodeOf(await opening)).toBe("STATE_CORRUPT");
  });

  test("the newest copy of the votes damaged loses no vote: the log has it too", async () => {
    const disk = new FaultyDisk();
    const store = await openedStore(disk);
    for (let term = 1; term <= 4; term++) {
      const hardState = { term: asTerm(term), votedFor: null };
      await store.append([{ group: MAIN, hardState, entries: [] }]);
    }
    await store.close();
    disk.flipBit("votes", 20 + 256 * 1_024, 0);
    const again = new SegmentLogStore({ directory: "memory", disk });
    expect((await again.open())[0]!.hardState.term).toBe(asTerm(4));
  });

  test("a process killed at any moment loses nothing it acknowledged", async () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "mycelium-log-"));
    const script = `
      const { SegmentLogStore } = await import(${JSON.stringify(path.join(import.meta.dir, "index.ts"))});
      const store = new SegmentLogStore({ directory: ${JSON.stringify(directory)}, segmentSizeBytes: 40_000 });
      const [group] = await store.open();
      if (group === undefined) {
        await store.create("main", { index: 0, term: 0, configuration: new Uint8Array(0) });
      }
      for (let index = (group?.lastIndex ?? 0) + 1; ; index++) {
        const payload = new Uint8Array(10).fill(index);
        const entries = [{ index, term: 1, kind: "command", payload }];
        await store.append([{ group: "main", hardState: null, entries }]);
        console.log(index);
      }`;
    let acked = 0;
    for (let round = 0; round < 3; round++) {
      const writer = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
      const target = acked + 50 + round * 37;
      let text = "";
      for await (const part of writer.stdout) {
        text += new TextDecoder().decode(part);
        acked = Number(text.slice(0, text.lastIndexOf("\n")).split("\n").at(-1));
        if (acked >= target) writer.kill(9);
      }
      await writer.exited;
      const store = new SegmentLogStore({ directory });
      const [group] = await store.open();
      expect(group!.lastIndex).toBeGreaterThanOrEqual(acked);
      expect(group!.damagedUpTo).toBeNull();
      const last = asLogIndex(acked);
      expect(store.entries(MAIN, asLogIndex(1), last, 1 << 30)).toEqual(
        Array.from({ length: acked }, (_, i) => entry(i + 1)),
      );
      await store.close();
    }
    fs.rmSync(directory, { recursive: true });
  }, 30_000);

  test("an unusable directory is refused with a reason", async () => {
    const store = new SegmentLogStore({ directory: "/proc/mycelium-log" });
    const refusal = await store.open().catch((error) => error);
    expect(errorCodeOf(refusal)).toBe("STATE_NOT_WRITABLE");
  });
});
