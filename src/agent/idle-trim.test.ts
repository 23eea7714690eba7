import { expect, test } from "bun:test";
import type { Clock } from "../ports/index.ts";
import { IdleTrim, type OwnProcess } from "./idle-trim.ts";

const LOOK_MS = 15_000;
const LEAN_BYTES = 60_000_000;

class FakeProcess implements OwnProcess {
  readonly done: string[] = [];
  usedMs = 0;
  entries = 0;
  garbageBytes = 0;
  filePagesBytes = 20_000_000;

  collectGarbage = () => {
    this.done.push("collect");
    this.garbageBytes = 0;
  };
  dropFilePages = () => {
    this.done.push("drop");
    this.filePagesBytes = 0;
  };
  residentBytes = () => LEAN_BYTES + this.garbageBytes + this.filePagesBytes;
  cpuMs = () => this.usedMs;
  entryCount = () => this.entries;
}

/** What was done at each look, the CPU used before it given. */
function looks(own: FakeProcess, busyMs: readonly number[]): string[] {
  let look = () => {};
  const clock: Clock = {
    wallMs: () => 0,
    monotonicMs: () => 0,
    after: (delayMs, callback) => {
      expect(delayMs).toBe(LOOK_MS);
      look = callback;
      return { cancel: () => {} };
    },
  };
  new IdleTrim(clock, own);
  return busyMs.map((usedMs) => {
    own.usedMs += usedMs;
    own.filePagesBytes += 5_000_000;
    look();
    return own.done.splice(0).join(" ");
  });
}

test("garbage is collected once the node is idle, then pages are dropped twice a minute", () => {
  const idle = Array<number>(9).fill(100);
  expect(looks(new FakeProcess(), [9_000, ...idle])).toEqual([
    ...["", "", "", "drop collect drop", "", "drop", "", "drop", "", "drop"],
  ]);
});

test("after each busy time garbage is collected again, but not in a short pause", () => {
  const idle = [100, 100, 100];
  const trimmed = ["", "", "drop collect drop"];
  expect(looks(new FakeProcess(), [...idle, 9_000, ...idle])).toEqual([...trimmed, "", ...trimmed]);
  const pauses = [100, 100, 9_000, 100, 100, 9_000];
  expect(looks(new FakeProcess(), pauses)).toEqual(pauses.map(() => ""));
});

test("garbage that piles up in an idle node is collected, a little is not", () => {
  const own = new FakeProcess();
  own.cpuMs = () => {
    own.garbageBytes += 1_000_000;
    return own.usedMs;
  };
  expect(looks(own, Array<number>(15).fill(100))).toEqual([
    ...["", "", "drop collect drop", "", "drop", "", "drop", "", "drop", "", "drop", "", "drop"],
    ...["", "drop collect drop"],
  ]);
});

test("a node that is written to, however little, keeps what it has", () => {
  const own = new FakeProcess();
  own.cpuMs = () => {
    own.entries += 15;
    return own.usedMs;
  };
  expect(looks(own, [100, 100, 100, 100, 100])).toEqual(["", "", "", "", ""]);
});
