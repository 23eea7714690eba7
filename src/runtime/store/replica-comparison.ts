/**
 * Whether one replica holds what the majority holds, by everything that is compared while this runs on the leader: every
 * table at an index of its own, and the latest batches. Silence is no agreement here: the replica must have answered.
 */

import { equalBytes, type LogIndex, type NodeId } from "../../base/index.ts";
import type { DigestAnswer } from "./digest-count.ts";

export interface ComparisonState {
  /** Everything was compared, and is the same. */
  readonly agrees: boolean;
  /** What is not the same; null while nothing was found. */
  readonly difference: string | null;
}

export class ReplicaComparison {
  readonly node: NodeId;
  /** What it is asked for. */
  readonly occasion: string;
  /** Of the leader that compares. */
  readonly term: number;
  /** What was written after it has been executed by the replica as it is now. */
  readonly fromIndex: LogIndex;
  readonly #tables = new Set<string>();
  #isDone = false;
  #difference: string | null = null;

  constructor(node: NodeId, occasion: string, term: number, fromIndex: LogIndex) {
    this.node = node;
    this.occasion = occasion;
    this.term = term;
    this.fromIndex = fromIndex;
  }

  get state(): ComparisonState {
    return { agrees: this.#isDone && this.#difference === null, difference: this.#difference };
  }

  /** There is still something to compare. */
  get isOpen(): boolean {
    return !this.#isDone && this.#difference === null;
  }

  hasTable(table: string): boolean {
    return this.#tables.has(table);
  }

  /** `truth` null: there is no majority; `isDisputed`: because answers differ. */
  table(table: string, answer: DigestAnswer, truth: Uint8Array | null, isDisputed: boolean): void {
    const what = `its table ${table} differs from the majority's`;
    if (this.#hears(answer, truth, isDisputed, what)) this.#tables.add(table);
  }

  /** Whether it is settled: the same, or nobody will ever know. */
  batch(index: LogIndex, answer: DigestAnswer, truth: Uint8Array | null, isDisputed: boolean) {
    const what = `its digest of log index ${index} differs from the majority's`;
    return this.#hears(answer, truth, isDisputed, what) || answer === "gone";
  }

  /** A verdict of the leader names it among those that differ. */
  differs(what: string): void {
    this.#difference ??= what;
  }

  done(): void {
    this.#isDone = true;
  }

  #hears(
    answer: DigestAnswer,
    truth: Uint8Array | null,
    isDisputed: boolean,
    what: string,
  ): boolean {
    if (typeof answer === "string") return false;
    if (truth === null) {
      if (isDisputed)
        this.differs(`${what.replace("the majority's", "others'")}, none has a majority`);
      return false;
    }
    if (!equalBytes(answer, truth)) this.differs(what);
    return equalBytes(answer, truth);
  }
}
