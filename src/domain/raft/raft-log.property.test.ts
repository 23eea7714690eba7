import { expect, test } from "bun:test";
import fc from "fast-check";
import { asLogIndex, asTerm, type LogIndex } from "../../base/index.ts";
import { EMPTY_CONFIGURATION, encodeConfiguration } from "./configuration.ts";
import type { LogEntry, LogReader, SnapshotMeta } from "./entry.ts";
import { RaftLog } from "./raft-log.ts";

const configuration = encodeConfiguration(EMPTY_CONFIGURATION);
const snapshotAt = (index: number, term: number): SnapshotMeta => ({
  index: asLogIndex(index),
  term: asTerm(term),
  configuration,
});

/** What was handed out, kept as a log store keeps it. */
class Stored implements LogReader {
  readonly byIndex = new Map<number, LogEntry>();

  write(entries: readonly LogEntry[]): void {
    const first = entries[0]?.index ?? Number.POSITIVE_INFINITY;
    for (const index of [...this.byIndex.keys()]) if (index >= first) this.byIndex.delete(index);
    for (const entry of entries) this.byIndex.set(entry.index, entry);
  }

  termOf(index: LogIndex) {
    return this.byIndex.get(index)?.term ?? null;
  }

  entries(from: LogIndex, to: LogIndex): readonly LogEntry[] {
    const found: LogEntry[] = [];
    for (let index = from as number; index <= to; index++) found.push(this.byIndex.get(index)!);
    return found;
  }
}

const operation = fc.oneof(
  fc.record({
    kind: fc.constant("append"),
    back: fc.nat(4),
    count: fc.integer({ min: 1, max: 4 }),
  }),
  fc.record({ kind: fc.constant("take"), back: fc.constant(0), count: fc.constant(0) }),
);

test("a log reads as the plain list it stands for, whatever was handed out or replaced", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
      const stored = new Stored();
      const log = new RaftLog(stored, snapshotAt(5, 1), asLogIndex(5));
      let model: LogEntry[] = [];
      let term = 1;
      for (const { kind, back, count } of operations) {
        if (kind === "take") {
          stored.write(log.takeTail());
        } else {
          const from = Math.max(6, 6 + model.length - back);
          term++;
          const fresh = Array.from({ length: count }, (_, i): LogEntry => {
            const payload = new Uint8Array(i);
            return { index: asLogIndex(from + i), term: asTerm(term), kind: "command", payload };
          });
          model = [...model.slice(0, from - 6), ...fresh];
          log.append(fresh);
        }
        expect(log.lastIndex).toBe(asLogIndex(5 + model.length));
        const all = log.entries(asLogIndex(6), log.lastIndex, Number.POSITIVE_INFINITY);
        expect(all).toEqual(model);
        for (const entry of model) expect(log.termOf(entry.index)).toBe(entry.term);
        expect(log.termOf(asLogIndex(4))).toBeNull();
        expect(log.termOf(asLogIndex(log.lastIndex + 1))).toBeNull();
        const from = asLogIndex(6 + Math.floor(model.length / 2));
        if (from <= log.lastIndex) expect(log.entries(from, log.lastIndex, 1)).not.toBeEmpty();
      }
    }),
  );
});

test("an entry that was replaced before it was durable does not become stable", () => {
  const stored = new Stored();
  const log = new RaftLog(stored, snapshotAt(0, 0), asLogIndex(0));
  const entry = (index: number, term: number): LogEntry => ({
    index: asLogIndex(index),
    term: asTerm(term),
    kind: "command",
    payload: new Uint8Array(0),
  });
  log.append([entry(1, 1), entry(2, 1)]);
  stored.write(log.takeTail());
  log.stableTo(asLogIndex(2));
  log.append([entry(2, 2)]);
  expect(log.stableIndex).toBe(asLogIndex(1));
});
