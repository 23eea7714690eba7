import { expect, test } from "bun:test";
import { MemoryHost } from "./host.ts";
import { Scheduler } from "./scheduler.ts";

test("events run in order of time, and of scheduling within one moment", () => {
  const scheduler = new Scheduler(1);
  const seen: string[] = [];
  scheduler.schedule(5, () => seen.push("late"));
  scheduler.schedule(1, () => seen.push("first"));
  scheduler.schedule(1, () => seen.push("second"));
  scheduler.schedule(1, () => seen.push("never")).cancel();
  scheduler.runUntil(10);
  expect(seen).toEqual(["first", "second", "late"]);
  expect(scheduler.nowMs).toBe(10);
});

test("an event's promise jobs all run before the next event", () => {
  const scheduler = new Scheduler(1);
  const seen: string[] = [];
  scheduler.schedule(1, () => {
    void (async () => {
      for (let i = 0; i < 3; i++) {
        await null;
        seen.push(`job ${i}`);
      }
    })();
  });
  scheduler.schedule(1, () => seen.push("next"));
  scheduler.runUntil(2);
  expect(seen).toEqual(["job 0", "job 1", "job 2", "next"]);
});

test("a thousand random delays come out sorted", () => {
  const scheduler = new Scheduler(3);
  const seen: number[] = [];
  for (let i = 0; i < 1_000; i++) {
    scheduler.schedule(scheduler.random.float() * 100, () => seen.push(scheduler.nowMs));
  }
  scheduler.runUntil(100);
  expect(seen.length).toBe(1_000);
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
});

test("a crash drops what the dead process awaited, and nothing of the next one's", () => {
  const scheduler = new Scheduler(1);
  const host = new MemoryHost("a", scheduler);
  const seen: string[] = [];
  host.start();
  host.after(10, () => seen.push("old timer"));
  scheduler.schedule(5, () => {
    host.kill();
    host.start();
    host.after(10, () => seen.push("new timer"));
  });
  scheduler.runUntil(30);
  expect(seen).toEqual(["new timer"]);
});

test("a paused process gets everything later, in order", () => {
  const scheduler = new Scheduler(1);
  const host = new MemoryHost("a", scheduler);
  const seen: string[] = [];
  host.start();
  host.after(10, () => seen.push("one"));
  host.after(20, () => seen.push("two"));
  host.pause();
  scheduler.runUntil(50);
  expect(seen).toEqual([]);
  host.resume();
  scheduler.runUntil(51);
  expect(seen).toEqual(["one", "two"]);
});

test("a machine's clocks run at its rate, and only the wall clock jumps", () => {
  const scheduler = new Scheduler(1);
  const host = new MemoryHost("a", scheduler, { wallOffsetMs: 0, rate: 2 });
  const startMs = host.wallMs();
  let firedMs = 0;
  host.after(1_000, () => {
    firedMs = scheduler.nowMs;
  });
  scheduler.runUntil(1_000);
  expect(firedMs).toBe(500);
  expect(host.monotonicMs()).toBe(2_000);
  host.jumpWall(-60_000);
  expect(host.wallMs() - startMs).toBe(2_000 - 60_000);
  expect(host.monotonicMs()).toBe(2_000);
});
