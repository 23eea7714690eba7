/** Requests that wait for a reply on one link: limited in number, each with a deadline driven by `nowMs`. */

interface Pending<T> {
  readonly deadlineMs: number;
  readonly value: T;
}

const ID_MAX = 0xffff_ffff;

export class Correlator<T> {
  readonly #countMax: number;
  readonly #pending = new Map<number, Pending<T>>();
  #lastId = 0;
  #nextDeadlineMs = Number.POSITIVE_INFINITY;

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  get count(): number {
    return this.#pending.size;
  }

  /** The id to send the request under (1 to 2^32 - 1); null when too many wait already. */
  add(value: T, deadlineMs: number): number | null {
    if (this.#pending.size >= this.#countMax) return null;
    do {
      this.#lastId = this.#lastId === ID_MAX ? 1 : this.#lastId + 1;
    } while (this.#pending.has(this.#lastId));
    this.#pending.set(this.#lastId, { deadlineMs, value });
    this.#nextDeadlineMs = Math.min(this.#nextDeadlineMs, deadlineMs);
    return this.#lastId;
  }

  /** What waits under `id`, which then waits no more; undefined for an unknown, expired or answered one. */
  take(id: number): T | undefined {
    const pending = this.#pending.get(id);
    if (pending === undefined) return undefined;
    this.#pending.delete(id);
    return pending.value;
  }

  /** Takes all whose deadline has come. PERF: free until the earliest deadline, then linear in what waits. */
  expire(nowMs: number): readonly T[] {
    if (nowMs < this.#nextDeadlineMs) return [];
    const expired: T[] = [];
    this.#nextDeadlineMs = Number.POSITIVE_INFINITY;
    for (const [id, { deadlineMs, value }] of this.#pending) {
      if (deadlineMs > nowMs) {
        this.#nextDeadlineMs = Math.min(this.#nextDeadlineMs, deadlineMs);
        continue;
      }
      this.#pending.delete(id);
      expired.push(value);
    }
    return expired;
  }

  /** Takes all, oldest first: the link is gone. */
  takeAll(): readonly T[] {
    const all = [...this.#pending.values()].map(({ value }) => value);
    this.#pending.clear();
    this.#nextDeadlineMs = Number.POSITIVE_INFINITY;
    return all;
  }
}
