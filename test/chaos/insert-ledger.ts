/**
 * What became of every insert: an acknowledged one must be there once, a refused one must not be there, and one of
 * unknown outcome at most once. Rows are read in the order of their commit, so each is judged once.
 */

import { bodyOf } from "./statements.ts";

/** A row of the table `ins`. */
export interface InsertRow {
  readonly n: number;
  readonly id: string;
  readonly body: string;
}

export class InsertLedger {
  readonly #acknowledged = new Map<string, number>();
  readonly #refused = new Set<string>();
  readonly #unknown = new Set<string>();
  readonly #seen = new Set<string>();
  /** Ids of the judged rows by number, ascending. */
  readonly #rows: { readonly n: number; readonly id: string }[] = [];
  /** Rows up to this one are judged. */
  seenUpTo = 0;
  lostCount = 0;

  get acknowledgedCount(): number {
    return this.#acknowledged.size;
  }

  get unknownCount(): number {
    return this.#unknown.size;
  }

  /** An acknowledged id, picked by a number; null while there is none in `recent`. */
  recent: string | null = null;

  acknowledge(id: string, atMs: number): void {
    this.#unknown.delete(id);
    this.#acknowledged.set(id, atMs);
    this.recent = id;
  }

  refuse(id: string): void {
    this.#refused.add(id);
  }

  leaveUnknown(id: string): void {
    this.#unknown.add(id);
  }

  /** Takes the next rows of a strong read; what is wrong with them. */
  take(rows: readonly InsertRow[]): string[] {
    const problems: string[] = [];
    for (const { n, id, body } of rows) {
      if (body !== bodyOf(id)) problems.push(`row ${n} is damaged: ${id} ${body}`);
      if (this.#seen.has(id)) problems.push(`insert ${id} was applied twice, again as row ${n}`);
      if (this.#refused.has(id)) problems.push(`insert ${id} was refused and is there as row ${n}`);
      this.#seen.add(id);
      this.#rows.push({ n, id });
      this.seenUpTo = Math.max(this.seenUpTo, n);
    }
    return problems;
  }

  /** Of rows that a node gave as those after number `from`: the first that is not as it was judged. */
  firstWrong(from: number, given: readonly InsertRow[]): string | null {
    let at = this.#rows.findIndex(({ n }) => n > from);
    for (const { n, id, body } of given) {
      const row = this.#rows[at++];
      if (row?.n === n && row.id === id && body === bodyOf(id)) continue;
      return `row ${n} ${id} ${body} where ${row?.n} ${row?.id} should be`;
    }
    return null;
  }

  /** Acknowledged before `beforeMs`, and not among the rows taken so far. */
  lost(beforeMs: number): string[] {
    const lost: string[] = [];
    for (const [id, atMs] of this.#acknowledged) {
      if (atMs < beforeMs && !this.#seen.has(id)) lost.push(id);
    }
    this.lostCount = lost.length;
    return lost;
  }
}
