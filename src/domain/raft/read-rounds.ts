/**
 * Read index (Raft thesis 6.4), batched: reads that arrive while a round of heartbeats is under way share the next
 * one. A round is confirmed once a quorum answered it, so nobody else was leader when it began.
 */

import type { LogIndex, ReplicaId } from "../../base/index.ts";

/** Who asked: a follower, or null for this replica; `context` is the asker's own number. */
export interface ReadAsker {
  readonly from: ReplicaId | null;
  readonly context: number;
}

export interface ConfirmedRead extends ReadAsker {
  readonly index: LogIndex;
}

export class ReadRounds {
  readonly #waitingMax: number;
  #waiting: ReadAsker[] = [];
  #current: { readonly index: LogIndex; readonly askers: readonly ReadAsker[] } | null = null;
  /** Never falls within a term; 0 before the first round. */
  #round = 0;

  constructor(waitingMax: number) {
    this.#waitingMax = waitingMax;
  }

  get round(): number {
    return this.#round;
  }

  /** False, and nothing is kept, when too many wait. */
  ask(asker: ReadAsker): boolean {
    if (this.#waiting.length >= this.#waitingMax) return false;
    this.#waiting.push(asker);
    return true;
  }

  /** Begins a round for all who wait, at the commit index of now. False when there is no need or one is under way. */
  begin(commitIndex: LogIndex): boolean {
    if (this.#current !== null || this.#waiting.length === 0) return false;
    this.#current = { index: commitIndex, askers: this.#waiting };
    this.#waiting = [];
    this.#round++;
    return true;
  }

  /** The reads of the current round once a quorum has answered it. */
  confirm(roundAnsweredByQuorum: number): readonly ConfirmedRead[] {
    if (this.#current === null || roundAnsweredByQuorum < this.#round) return [];
    const { askers, index } = this.#current;
    this.#current = null;
    return askers.map(({ from, context }) => ({ from, context, index }));
  }
}
