/**
 * Virtual time for everything in memory: one heap of events, one seed. After each event all promise jobs run to
 * their end, so that no event ever sees half of another's work and a seed replays to the byte.
 */

import { drainMicrotasks } from "bun:jsc";
import { type Random, SeededRandom } from "../../base/index.ts";

export interface Scheduled {
  cancel(): void;
}

interface Event {
  readonly atMs: number;
  readonly order: number;
  run: (() => void) | null;
}

export class Scheduler {
  readonly random: Random;
  readonly #heap: Event[] = [];
  #nowMs = 0;
  #order = 0;
  #stepCount = 0;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
  }

  /** Virtual milliseconds since the start; what no node can see. */
  get nowMs(): number {
    return this.#nowMs;
  }

  get stepCount(): number {
    return this.#stepCount;
  }

  /** Events of one moment run in the order in which they were scheduled. */
  schedule(delayMs: number, run: () => void): Scheduled {
    return this.scheduleAt(this.#nowMs + delayMs, run);
  }

  scheduleAt(atMs: number, run: () => void): Scheduled {
    const event: Event = { atMs: Math.max(atMs, this.#nowMs), order: this.#order++, run };
    this.#push(event);
    return {
      cancel() {
        event.run = null;
      },
    };
  }

  /** Runs the next event and every promise job it caused. False when nothing is left before `untilMs`. */
  step(untilMs = Number.POSITIVE_INFINITY): boolean {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) {
        if (untilMs !== Number.POSITIVE_INFINITY) this.#nowMs = Math.max(this.#nowMs, untilMs);
        return false;
      }
      this.#pop();
      if (next.run === null) continue;
      this.#nowMs = next.atMs;
      this.#stepCount++;
      const { run } = next;
      next.run = null;
      run();
      drainMicrotasks();
      return true;
    }
  }

  /** Runs all events up to a moment. */
  runUntil(untilMs: number): void {
    while (this.step(untilMs));
  }

  /** Drives the events until `promise` settles; for set-up and tests. Throws when time passes `limitMs` first. */
  async settle<T>(promise: Promise<T>, limitMs = 60_000): Promise<T> {
    let done = false;
    const finish = () => {
      done = true;
    };
    promise.then(finish, finish);
    drainMicrotasks();
    const untilMs = this.#nowMs + limitMs;
    while (!done && this.step(untilMs));
    if (!done) throw new Error(`nothing settled within ${limitMs} ms of virtual time`);
    return promise;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let child = heap.length;
    heap.push(event);
    while (child > 0) {
      const parent = (child - 1) >> 1;
      const above = heap[parent] as Event;
      if (isBefore(above, event)) break;
      heap[child] = above;
      child = parent;
    }
    heap[child] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    let parent = 0;
    for (;;) {
      let child = parent * 2 + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, heap[child] as Event)) child++;
      const least = heap[child] as Event;
      if (isBefore(last, least)) break;
      heap[parent] = least;
      parent = child;
    }
    heap[parent] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
