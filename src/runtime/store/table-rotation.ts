/**
 * Which table is checked next: the one whose last check is longest ago, once that is an interval ago. Every replica
 * notes the checks it applies, so that a new leader goes on where the one before it was.
 */

/** Of a million tables a leader may check some again too early. */
const NOTED_MAX = 100_000;

export class TableRotation {
  /** By the monotonic clock of this process. */
  readonly #checkedAtMs = new Map<string, number>();

  note(table: string, nowMs: number): void {
    this.#checkedAtMs.delete(table);
    this.#checkedAtMs.set(table, nowMs);
    if (this.#checkedAtMs.size <= NOTED_MAX) return;
    for (const oldest of this.#checkedAtMs.keys()) {
      this.#checkedAtMs.delete(oldest);
      break;
    }
  }

  /** Makes it the next one. */
  forget(table: string): void {
    this.#checkedAtMs.delete(table);
  }

  /** When the one whose check is longest ago was checked. */
  oldestMs(tables: readonly string[]): number {
    return tables.reduce(
      (oldest, table) => Math.min(oldest, this.#checkedAtMs.get(table) ?? Number.NEGATIVE_INFINITY),
      Number.POSITIVE_INFINITY,
    );
  }

  /** Null when all of `tables` were checked after `sinceMs`. PERF: linear in the number of tables. */
  next(tables: readonly string[], sinceMs: number): string | null {
    let oldest: string | null = null;
    let oldestMs = sinceMs;
    for (const table of tables) {
      const checkedAtMs = this.#checkedAtMs.get(table) ?? Number.NEGATIVE_INFINITY;
      if (checkedAtMs >= oldestMs) continue;
      oldest = table;
      oldestMs = checkedAtMs;
    }
    return oldest;
  }
}
