import { expect, test } from "bun:test";
import type { Clock, Timer } from "../../ports/index.ts";
import { TickTimer } from "./tick-timer.ts";

const TICK_MS = 50;

/** Timers fire when `pass` reaches them, or later by `lagMs`. */
class HandClock implements Clock {
  nowMs = 0;
  lagMs = 0;
  setCount = 0;
  #timers: { readonly atMs: number; readonly callback: () => void }[] = [];

  wallMs = () => this.nowMs;
  monotonicMs = () => this.nowMs;

  after(delayMs: number, callback: () => void): Timer {
    const timer = { atMs: this.nowMs + delayMs, callback };
    this.setCount++;
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  pass(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    for (;;) {
      const [next] = this.#timers.sort((a, b) => a.atMs - b.atMs);
      if (next === undefined || next.atMs + this.lagMs > endMs) break;
      this.#timers.shift();
      this.nowMs = Math.max(this.nowMs, next.atMs + this.lagMs);
      next.callback();
    }
    this.nowMs = endMs;
  }
}

function timerOf(clock: HandClock, planTicks: number): { timer: TickTimer; fired: number[] } {
  const fired: number[] = [];
  const timer: TickTimer = new TickTimer(clock, TICK_MS, (ticks) => {
    fired.push(ticks);
    timer.plan(planTicks);
  });
  timer.plan(planTicks);
  return { timer, fired };
}

test("it wakes up once for many ticks, and counts them all", () => {
  const clock = new HandClock();
  const { fired } = timerOf(clock, 10);
  clock.pass(1_000);
  expect(fired).toEqual([10, 10]);
});

test("ticks are counted once, by whoever asks first", () => {
  const clock = new HandClock();
  const { timer, fired } = timerOf(clock, 10);
  clock.pass(4 * TICK_MS + 20);
  expect(timer.count()).toBe(4);
  expect(timer.count()).toBe(0);
  clock.pass(500);
  expect(fired).toEqual([6]);
});

test("only an earlier plan sets a timer", () => {
  const clock = new HandClock();
  const { timer, fired } = timerOf(clock, 10);
  for (let i = 0; i < 100; i++) timer.plan(12);
  expect(clock.setCount).toBe(1);
  timer.plan(1);
  expect(clock.setCount).toBe(2);
  clock.pass(TICK_MS);
  expect(fired).toEqual([1]);
});

test("a process that stood still counts little of it, and then each tick until it is in time again", () => {
  const clock = new HandClock();
  const { timer, fired } = timerOf(clock, 10);
  clock.nowMs = 60_000;
  expect(timer.count()).toBe(2);
  expect(timer.count()).toBe(0);
  clock.pass(0);
  expect(fired).toEqual([0]);
  clock.lagMs = 3 * TICK_MS;
  clock.pass(1_000);
  expect(fired).toEqual([0, 2, 2, 2, 2, 2]);
  clock.lagMs = 0;
  clock.pass(1_000);
  expect(fired.slice(6)).toEqual([1, 10]);
});

test("a timer that fires early, by the rounding of its delay, loses nothing", () => {
  const clock = new HandClock();
  const { timer, fired } = timerOf(clock, 2);
  clock.nowMs = 2 * TICK_MS - 0.01;
  expect(timer.count()).toBe(1);
  clock.pass(0.01);
  expect(fired).toEqual([1]);
  clock.pass(2 * TICK_MS);
  expect(fired).toEqual([1, 2]);
});
