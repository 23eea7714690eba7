/**
 * Those who wait for a read index in one group. One question is under way at a time, and all who come meanwhile share
 * the next: a follower asks its leader once for a thousand reads.
 */

import { type LogIndex, MyceliumError } from "../../base/index.ts";

interface Waiter {
  readonly deadlineMs: number;
  readonly resolve: (index: LogIndex) => void;
  readonly reject: (error: MyceliumError) => void;
}

const WAITERS_MAX = 100_000;

export class ReadWaiters {
  /** Counts on from another random number in each life: a leader may still answer what an earlier life asked. */
  #context: number;
  #askedAtMs = 0;
  #asked: Waiter[] = [];
  #waiting: Waiter[] = [];

  constructor(firstContext: number) {
    this.#context = firstContext;
  }

  get isEmpty(): boolean {
    return this.#asked.length === 0 && this.#waiting.length === 0;
  }

  add(deadlineMs: number): Promise<LogIndex> {
    if (this.#waiting.length >= WAITERS_MAX) {
      return Promise.reject(
        new MyceliumError("OVERLOADED", `Cannot read: ${WAITERS_MAX} reads wait; retry later`),
      );
    }
    return new Promise((resolve, reject) => this.#waiting.push({ deadlineMs, resolve, reject }));
  }

  /**
   * Asks for all who wait, unless a question is under way. `ask` is false when nobody can be asked now. True when a
   * question went out.
   */
  ask(nowMs: number, ask: (context: number) => boolean): boolean {
    if (this.#asked.length > 0 || this.#waiting.length === 0) return false;
    if (!ask(this.#context + 1)) return false;
    this.#context++;
    this.#askedAtMs = nowMs;
    this.#asked = this.#waiting;
    this.#waiting = [];
    return true;
  }

  /** An answer to an older question counts for nobody. */
  answered(context: number, index: LogIndex): void {
    if (context !== this.#context) return;
    const answered = this.#asked;
    this.#asked = [];
    for (const waiter of answered) waiter.resolve(index);
  }

  /** The question may be lost: after a change of leader, or when the answer took `retryMs`. */
  retry(nowMs: number, retryMs: number): void {
    if (this.#asked.length === 0 || nowMs - this.#askedAtMs < retryMs) return;
    this.#waiting = [...this.#asked, ...this.#waiting];
    this.#asked = [];
    // A late answer would be right too, but then it would have to be told who asked.
    this.#context++;
  }

  expire(nowMs: number, reason: () => MyceliumError): void {
    this.#asked = withoutExpired(this.#asked, nowMs, reason);
    this.#waiting = withoutExpired(this.#waiting, nowMs, reason);
  }

  rejectAll(error: MyceliumError): void {
    const all = [...this.#asked, ...this.#waiting];
    this.#asked = [];
    this.#waiting = [];
    for (const waiter of all) waiter.reject(error);
  }
}

function withoutExpired(waiters: Waiter[], nowMs: number, reason: () => MyceliumError): Waiter[] {
  if (!waiters.some((waiter) => waiter.deadlineMs <= nowMs)) return waiters;
  const error = reason();
  return waiters.filter((waiter) => {
    if (waiter.deadlineMs > nowMs) return true;
    waiter.reject(error);
    return false;
  });
}
