import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  asGroupId,
  asLogIndex,
  asReplicaId,
  asTerm,
  errorCodeOf,
  type GroupId,
  SeededRandom,
} from "../../base/index.ts";
import type { HardState, LogEntry, RecoveredGroup } from "../../ports/index.ts";
import { SegmentLogStore } from "./segment-log-store.ts";
import { FaultyDisk } from "./testing/faulty-disk.ts";

const GROUPS = [asGroupId("main"), asGroupId("system")];
const ALL_BYTES = 1 << 30;

/** The naive log: what a group holds after some operations. */
interface Model {
  snapshotIndex: number;
  hardState: HardState;
  entries: readonly LogEntry[];
}

type Models = ReadonlyMap<GroupId, Model>;

function lastOf(model: Model): number {
  return model.entries.at(-1)?.index ?? model.snapshotIndex;
}

class Run {
  readonly disk = new FaultyDisk();
  readonly random: SeededRandom;
  store: SegmentLogStore;
  /** The state after each operation since the last opening; the first is the state found then. */
  history: Models[] = [];
  /** How many of them are promised to survive. */
  ackedCount = 0;
  #term = 1;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    this.store = this.#makeStore();
  }

  #makeStore(): SegmentLogStore {
    return new SegmentLogStore({
      directory: "memory",
      disk: this.disk,
      segmentSizeBytes: 12_000,
      cacheSizeBytes: this.random.below(2) === 0 ? 0 : 4_000,
    });
  }

  async start(): Promise<void> {
    await this.store.open();
    const empty = { snapshotIndex: 0, hardState: { term: asTerm(0), votedFor: null }, entries: [] };
    for (const group of GROUPS) {
      const snapshot = { index: asLogIndex(0), term: asTerm(0), configuration: new Uint8Array(9) };
      await this.store.create(group, snapshot);
    }
    this.history = [new Map(GROUPS.map((group) => [group, empty]))];
    this.ackedCount = 1;
  }

  async reopen(): Promise<readonly RecoveredGroup[]> {
    this.store = this.#makeStore();
    return this.store.open();
  }

  /** Issues an operation without waiting for it. */
  step(): Promise<void> {
    const group = GROUPS[this.random.below(2)]!;
    const current = this.history.at(-1)!;
    const model = current.get(group)!;
    const kind = this.random.below(10);
    const [next, promise] =
      kind === 0
        ? this.#compact(group, model)
        : kind === 1 && this.random.below(4) === 0
          ? this.#reset(group, model)
          : this.#append(group, model);
    this.history.push(new Map(current).set(group, next));
    const ordinal = this.history.length;
    return promise.then(() => {
      this.ackedCount = Math.max(this.ackedCount, ordinal);
    });
  }

  #append(group: GroupId, model: Model): [Model, Promise<void>] {
    const replaces = this.random.below(6) === 0;
    const room = lastOf(model) - model.snapshotIndex;
    const first = lastOf(model) + 1 - (replaces ? this.random.below(room + 1) : 0);
    if (replaces) this.#term++;
    const entries = Array.from({ length: this.random.below(5) }, (_, i) => this.#entry(first + i));
    const votes = this.random.below(5) === 0;
    if (votes) this.#term++;
    const hardState = votes
      ? { term: asTerm(this.#term), votedFor: asReplicaId(`r${this.random.below(3)}`) }
      : null;
    const kept = model.entries.filter((entry) => entries.length === 0 || entry.index < first);
    const next = {
      ...model,
      hardState: hardState ?? model.hardState,
      entries: [...kept, ...entries],
    };
    return [next, this.store.append([{ group, hardState, entries }])];
  }

  #entry(index: number): LogEntry {
    const payload = new Uint8Array(this.random.below(600)).map(() => this.random.below(256));
    return { index: asLogIndex(index), term: asTerm(this.#term), kind: "command", payload };
  }

  #compact(group: GroupId, model: Model): [Model, Promise<void>] {
    const index = model.snapshotIndex + this.random.below(lastOf(model) - model.snapshotIndex + 1);
    const term = model.entries.find((entry) => entry.index === index)?.term ?? asTerm(0);
    const snapshot = { index: asLogIndex(index), term, configuration: new Uint8Array(9) };
    const entries = model.entries.filter((entry) => entry.index > index);
    return [{ ...model, snapshotIndex: index, entries }, this.store.compact(group, snapshot)];
  }

  #reset(group: GroupId, model: Model): [Model, Promise<void>] {
    const index = asLogIndex(lastOf(model) + this.random.below(20));
    const snapshot = { index, term: asTerm(this.#term), configuration: new Uint8Array(9) };
    return [{ ...model, snapshotIndex: index, entries: [] }, this.store.reset(group, snapshot)];
  }

  /** What the store holds now, as models. */
  read(groups: readonly RecoveredGroup[]): Models {
    return new Map(
      groups.map(({ group, snapshot, hardState, lastIndex }) => {
        const from = asLogIndex(snapshot.index + 1);
        const entries = this.store.entries(group, from, lastIndex, ALL_BYTES);
        expect(entries.length).toBe(lastIndex - snapshot.index);
        return [group, { snapshotIndex: snapshot.index, hardState, entries }];
      }),
    );
  }
}

function sameEntries(a: readonly LogEntry[], b: readonly LogEntry[]): boolean {
  return a.length === b.length && a.every((entry, i) => sameEntry(entry, b[i]!));
}

function sameEntry(a: LogEntry, b: LogEntry): boolean {
  return a.index === b.index && a.term === b.term && Buffer.compare(a.payload, b.payload) === 0;
}

function sameVote(a: HardState, b: HardState): boolean {
  return a.term === b.term && a.votedFor === b.votedFor;
}

/** Entries above the snapshot that was found: the vote file may know of a cut whose batch did not make it. */
function matches(found: Model, model: Model): boolean {
  const above = model.entries.filter((entry) => entry.index > found.snapshotIndex);
  const reachesUp = found.snapshotIndex >= model.snapshotIndex;
  return reachesUp && sameEntries(found.entries, above);
}

describe("SegmentLogStore", () => {
  test("loses nothing acknowledged when power is cut at any disk operation", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const run = new Run(seed);
        await run.start();
        for (let round = 0; round < 4; round++) {
          run.disk.operationsLeft = run.random.below(120);
          for (let i = 0; i < 60; i++) {
            const step = run.step().catch(() => {});
            if (run.random.below(2) === 0) await step;
            if (run.disk.operationsLeft === 0) break;
          }
          await run.store.append([]).catch(() => {});
          run.disk.cutPower(run.random);
          const groups = await run.reopen();
          const found = run.read(groups);
          const allowed = run.history.slice(run.ackedCount - 1);
          for (const group of groups) {
            expect(group.damagedUpTo).toBeNull();
            const { hardState } = group;
            const isKnown = (each: Models) => sameVote(each.get(group.group)!.hardState, hardState);
            expect(allowed.some(isKnown)).toBe(true);
          }
          const isAllowed = allowed.some((each) =>
            GROUPS.every((group) => matches(found.get(group)!, each.get(group)!)),
          );
          expect(isAllowed).toBe(true);
          run.history = [found];
          run.ackedCount = 1;
        }
      }),
      { numRuns: 150 },
    );
  }, 60_000);

  test("tells every flipped bit that costs an entry or a vote, and never serves it", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const run = new Run(seed);
        await run.start();
        for (let i = 0; i < 30; i++) await run.step();
        await run.store.close();
        const names = run.disk.list();
        const name = names[run.random.below(names.length)]!;
        const usedBytes = name === "votes" ? 300_000 : run.disk.files.get(name)!.current.length;
        run.disk.flipBit(name, run.random.below(usedBytes), run.random.below(8));
        const expected = run.history.at(-1)!;
        let groups: readonly RecoveredGroup[];
        try {
          groups = await run.reopen();
        } catch (error) {
          expect(errorCodeOf(error)).toBe("STATE_CORRUPT");
          return;
        }
        checkDamage(run, groups, expected);
        await run.store.close();
        checkDamage(run, await run.reopen(), expected);
        await heal(run, expected);
        await run.store.close();
        const healed = await run.reopen();
        for (const group of healed) expect(group.damagedUpTo).toBeNull();
        for (const [group, model] of run.read(healed)) {
          expect(sameEntries(model.entries, expected.get(group)!.entries)).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  }, 60_000);
});

describe("SegmentLogStore without a marker", () => {
  test("a flipped bit can hide in the very last batch only", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const run = new Run(seed);
        await run.start();
        for (let i = 0; i < 25; i++) await run.step();
        const names = run.disk.list().filter((name) => name !== "votes");
        const name = names[run.random.below(names.length)]!;
        const sizeBytes = run.disk.files.get(name)!.current.length;
        run.disk.flipBit(name, run.random.below(sizeBytes), run.random.below(8));
        const [before, after] = run.history.slice(-2) as [Models, Models];
        let groups: readonly RecoveredGroup[];
        try {
          groups = await run.reopen();
        } catch (error) {
          expect(errorCodeOf(error)).toBe("STATE_CORRUPT");
          return;
        }
        const found = run.read(groups);
        for (const { group, damagedUpTo } of groups) {
          const model = found.get(group)!;
          const isWhole = [before, after].some((each) => matches(model, each.get(group)!));
          const last = Math.min(lastOf(before.get(group)!), lastOf(after.get(group)!));
          if (!isWhole) expect(damagedUpTo!).toBeGreaterThanOrEqual(last);
        }
      }),
      { numRuns: 200 },
    );
  }, 60_000);
});

function checkDamage(run: Run, groups: readonly RecoveredGroup[], expected: Models): void {
  const found = run.read(groups);
  expect(groups.length).toBe(GROUPS.length);
  for (const { group, lastIndex, damagedUpTo } of groups) {
    const [model, wanted] = [found.get(group)!, expected.get(group)!];
    expect(sameVote(model.hardState, wanted.hardState)).toBe(true);
    expect(model.snapshotIndex).toBe(wanted.snapshotIndex);
    const prefix = wanted.entries.slice(0, model.entries.length);
    expect(sameEntries(model.entries, prefix)).toBe(true);
    if (lastIndex < lastOf(wanted)) expect(damagedUpTo!).toBeGreaterThanOrEqual(lastOf(wanted));
  }
}

async function heal(run: Run, expected: Models): Promise<void> {
  for (const [group, model] of expected) {
    const held = run.store.termOf(group, asLogIndex(lastOf(model))) !== null;
    if (held) continue;
    const missing = model.entries.filter((each) => run.store.termOf(group, each.index) === null);
    await run.store.append([{ group, hardState: null, entries: missing }]);
  }
  await run.store.append([]);
}
