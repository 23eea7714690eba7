/**
 * Interactive transactions on the leader: first come, first served, one at a time, each with the open batch to
 * itself. One that idles too long is rolled back: 1 s when another request waits, 5 s otherwise, 30 s in all.
 */

import { MyceliumError, type NodeId } from "../../base/index.ts";
import type { Program, SqlRole } from "../../domain/sql/index.ts";
import type { Clock, Timer } from "../../ports/index.ts";
import type { ShardLimits } from "./options.ts";

export interface InteractiveSession {
  readonly id: string;
  readonly author: NodeId;
  readonly role: SqlRole;
  /** Programs executed so far: what the signed request must hold. */
  readonly executed: Program[];
  /** `open` runs steps; `ended` had its COMMIT or ROLLBACK and waits to be sealed. */
  state: "waiting" | "open" | "ended";
  busy: boolean;
  openedAtMs: number;
  usedAtMs: number;
  /** Of the statements and arguments executed so far. */
  sizeBytes: number;
}

interface Waiting {
  readonly session: InteractiveSession;
  readonly granted: () => void;
  readonly refused: (error: MyceliumError) => void;
  readonly timer: Timer;
}

export function transactionClosed(reason: string): MyceliumError {
  return new MyceliumError(
    "CLOSED",
    `Cannot go on with the transaction: it was rolled back because ${reason}; run it again from its BEGIN`,
  );
}

export class InteractiveLane {
  readonly #clock: Clock;
  readonly #limits: ShardLimits;
  readonly #waiting: Waiting[] = [];
  readonly #onExpired: (session: InteractiveSession, reason: string) => void;
  #current: InteractiveSession | null = null;
  #timer: Timer | null = null;

  constructor(
    clock: Clock,
    limits: ShardLimits,
    onExpired: (session: InteractiveSession, reason: string) => void,
  ) {
    this.#clock = clock;
    this.#limits = limits;
    this.#onExpired = onExpired;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  get current(): InteractiveSession | null {
    return this.#current;
  }

  /** Resolves when the session holds the batch. Rejects with OVERLOADED after `retryMs` or in a long queue. */
  enter(session: InteractiveSession): Promise<void> {
    if (this.#waiting.length >= this.#limits.interactiveWaitingMax) {
      return Promise.reject(
        new MyceliumError(
          "OVERLOADED",
          `Cannot start a transaction: ${this.#waiting.length} others wait already; retry later`,
        ),
      );
    }
    return new Promise((granted, refused) => {
      const timer = this.#clock.after(this.#limits.retryMs, () => {
        const at = this.#waiting.findIndex((waiting) => waiting.session === session);
        if (at >= 0) this.#waiting.splice(at, 1);
        refused(
          new MyceliumError(
            "OVERLOADED",
            "Cannot start a transaction: database is locked; retry later",
          ),
        );
      });
      this.#waiting.push({ session, granted, refused, timer });
    });
  }

  next(): InteractiveSession | null {
    return this.#waiting[0]?.session ?? null;
  }

  /** The first in the queue now holds the batch. */
  grant(): void {
    const first = this.#waiting.shift();
    if (first === undefined) return;
    first.timer.cancel();
    const nowMs = this.#clock.monotonicMs();
    first.session.state = "open";
    first.session.openedAtMs = nowMs;
    first.session.usedAtMs = nowMs;
    this.#current = first.session;
    first.granted();
  }

  /** The current session ended in whatever way. */
  release(): void {
    this.#current = null;
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** Refuses the first in the queue. */
  refuseNext(error: MyceliumError): void {
    const first = this.#waiting.shift();
    first?.timer.cancel();
    first?.refused(error);
  }

  /** Refuses everyone who waits. */
  refuseAll(error: MyceliumError): void {
    for (const waiting of this.#waiting.splice(0)) {
      waiting.timer.cancel();
      waiting.refused(error);
    }
  }

  /** Call after each use and whenever another request begins to wait. */
  rearm(contended: boolean): void {
    this.#timer?.cancel();
    this.#timer = null;
    const session = this.#current;
    if (session === null || session.busy) return;
    const { interactiveContendedMs, interactiveIdleMs, interactiveTotalMs } = this.#limits;
    const idleMs =
      contended || this.#waiting.length > 0 ? interactiveContendedMs : interactiveIdleMs;
    const endMs = Math.min(session.usedAtMs + idleMs, session.openedAtMs + interactiveTotalMs);
    const reason =
      endMs === session.usedAtMs + idleMs
        ? `it was idle for ${idleMs} ms`
        : `it took longer than ${interactiveTotalMs} ms`;
    const delayMs = Math.max(0, endMs - this.#clock.monotonicMs());
    this.#timer = this.#clock.after(delayMs, () => this.#onExpired(session, reason));
  }
}
