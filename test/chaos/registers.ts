/** The history of the registers, in epochs of their own keys, so that each is checked while the run goes on. */

import { showOperation } from "../sim/history.ts";
import { checkLinearizable, type Operation } from "../sim/linearizability.ts";

export interface PendingOperation {
  readonly client: string;
  readonly callMs: number;
  returnMs: number;
  program: readonly string[];
  answers: readonly string[] | null;
}

interface Epoch {
  readonly number: number;
  readonly byKey: Map<string, PendingOperation[]>;
  openCount: number;
}

const KEYS = ["a", "b", "c"] as const;

export class Registers {
  #epoch: Epoch = { number: 0, byKey: new Map(), openCount: 0 };
  readonly #ended: Epoch[] = [];
  checkedCount = 0;
  undecidedCount = 0;

  key(pick: number): string {
    return `e${this.#epoch.number}/${KEYS[pick % KEYS.length]}`;
  }

  /** An operation on one key begins now; call `end` when its outcome is known or given up. */
  begin(client: string, key: string, program: readonly string[], nowMs: number): PendingOperation {
    const operation = {
      client,
      program,
      callMs: nowMs,
      returnMs: Number.POSITIVE_INFINITY,
      answers: null,
    };
    const epoch = this.#of(key);
    const operations = epoch.byKey.get(key) ?? [];
    operations.push(operation);
    epoch.byKey.set(key, operations);
    epoch.openCount++;
    return operation;
  }

  answer(
    key: string,
    operation: PendingOperation,
    answers: readonly string[],
    nowMs: number,
  ): void {
    operation.answers = answers;
    operation.returnMs = nowMs;
    this.#of(key).openCount--;
  }

  leaveUnknown(key: string): void {
    this.#of(key).openCount--;
  }

  /** It certainly did not happen. */
  forget(key: string, operation: PendingOperation): void {
    const epoch = this.#of(key);
    const operations = epoch.byKey.get(key) ?? [];
    operations.splice(operations.indexOf(operation), 1);
    epoch.openCount--;
  }

  /** New operations use new keys from here on. */
  nextEpoch(): void {
    this.#ended.push(this.#epoch);
    this.#epoch = { number: this.#epoch.number + 1, byKey: new Map(), openCount: 0 };
  }

  /** Judges the epochs in which nothing is under way any more. */
  check(): string[] {
    const problems: string[] = [];
    while (this.#ended[0]?.openCount === 0) {
      for (const [key, operations] of this.#ended.shift()?.byKey ?? []) {
        problems.push(...this.#checkKey(key, operations));
      }
    }
    return problems;
  }

  #checkKey(key: string, operations: readonly Operation[]): string[] {
    const verdict = checkLinearizable(operations, 200_000);
    this.checkedCount += operations.length;
    if (verdict.kind === "undecided") this.undecidedCount++;
    if (verdict.kind !== "violation") return [];
    const sorted = [...operations].sort((a, b) => a.callMs - b.callMs).map(showOperation);
    const stuck = verdict.stuckAt === null ? "" : `stuck at ${showOperation(verdict.stuckAt)}`;
    return [`register ${key} is not linearizable; ${stuck}\n  ${sorted.join("\n  ")}`];
  }

  #of(key: string): Epoch {
    const number = Number(key.slice(1, key.indexOf("/")));
    const epoch = [this.#epoch, ...this.#ended].find((one) => one.number === number);
    if (epoch === undefined) throw new Error(`no epoch of ${key}`);
    return epoch;
  }
}
