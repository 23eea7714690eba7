/**
 * Commits that should be in the log of decisions and are not, and what follows for the leader that orders the log.
 * Whoever misses its commit there gives it to the other validators; they write it too. A leader that lets two deadlines
 * pass while the log goes on is accused by each of them, signed; more than F of the decision's weight, and two nodes at
 * least, are believed: so many do not all lie. What this node knows to be in the log accuses nobody.
 *
 * Pure: time comes in, monotonic. Nothing here decides anything; it costs a leader its office and the group an election.
 */

import type { NodeId } from "../../base/index.ts";
import type { SignedPart } from "../identity/index.ts";
import type { Decision } from "./decision.ts";
import type { DecisionLog } from "./decision-log.ts";
import type { OpenedCommit, OpenedWithheld } from "./withheld-statement.ts";

/** Whose log this node follows, and how far. */
export interface Following {
  readonly leader: NodeId;
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
}

export interface Missing {
  readonly author: NodeId;
  readonly operation: number;
  readonly commit: SignedPart;
  /** Since it is known here. */
  readonly heldMs: number;
  /** Two deadlines are over: this node is to say so. */
  readonly isWithheld: boolean;
  /** One is over, and the log stands still since: anything that is written shows whether it goes on. */
  readonly wantsWrites: boolean;
}

interface Held extends OpenedCommit {
  readonly heldAtMs: number;
  /** Since when it could have been in the log of the leader of `term`. */
  sinceMs: number;
  term: number;
  /** What the leader had committed after the first deadline. */
  markIndex: number | null;
}

const ACCUSERS_MIN = 2;

export class WithheldCommits {
  readonly #deadlineMs: number;
  /** By "operation/author"; of each author its first. */
  readonly #held = new Map<string, Held>();
  /** By "operation/author": what a node last accused a leader of. */
  readonly #accusations = new Map<string, OpenedWithheld>();

  constructor(deadlineMs: number) {
    this.#deadlineMs = deadlineMs;
  }

  /** Nothing is missed, and nobody accused. */
  get isEmpty(): boolean {
    return this.#held.size + this.#accusations.size === 0;
  }

  /** Of an operation. */
  misses(operation: number): boolean {
    return [...this.#held.values()].some(({ statement }) => statement.operation === operation);
  }

  /** A commit that is on its way into the log, or misses there. One that comes too late matters to nobody. */
  hold(commit: OpenedCommit, log: DecisionLog, nowMs: number): void {
    const { operation, author } = commit.statement;
    const decision = log.decision(operation);
    if (decision?.takesCommits !== true || !isMissing(decision, author)) return;
    const key = keyOf(commit.statement);
    if (this.#held.has(key)) return;
    this.#held.set(key, { ...commit, heldAtMs: nowMs, sinceMs: nowMs, term: 0, markIndex: null });
  }

  /** What another validator, or this one, says of a leader. Its commit is held from now on, too. */
  hear(said: OpenedWithheld, log: DecisionLog, nowMs: number): void {
    const decision = log.decision(said.operation);
    const isParty = decision?.isParticipant(said.author) === true && said.author !== said.leader;
    if (!isParty || !isMissing(decision, said.commit.statement.author)) return;
    this.hold(said.commit, log, nowMs);
    const known = this.#accusations.get(keyOf(said));
    if (known === undefined || said.term >= known.term) this.#accusations.set(keyOf(said), said);
  }

  /** What is missed now, and whether it is the leader's fault. Null following: there is none to blame. */
  missing(log: DecisionLog, following: Following | null, nowMs: number): readonly Missing[] {
    this.#forget(log);
    return [...this.#held.values()].map((held) => ({
      author: held.statement.author,
      operation: held.statement.operation,
      commit: held.part,
      heldMs: nowMs - held.heldAtMs,
      isWithheld: this.#isWithheld(held, following, nowMs),
      wantsWrites:
        held.markIndex !== null && following !== null && following.appliedIndex <= held.markIndex,
    }));
  }

  /** Whether enough accuse the leader of withholding what is missed here as well. */
  isGuilty(log: DecisionLog, { leader, term }: Following): boolean {
    this.#forget(log);
    return log.decisions().some((decision) => {
      const accusers = [...this.#accusations.values()].filter(
        (said) =>
          said.operation === decision.operation && said.leader === leader && said.term === term,
      );
      const weight = accusers.reduce((sum, { author }) => sum + decision.weightOf(author), 0);
      return accusers.length >= ACCUSERS_MIN && weight > decision.bound.faulty;
    });
  }

  /** Each leadership has its own two deadlines; a log that stands still withholds nothing. */
  #isWithheld(held: Held, following: Following | null, nowMs: number): boolean {
    if (following === null || following.term !== held.term) {
      held.term = following?.term ?? 0;
      held.sinceMs = nowMs;
      held.markIndex = null;
      return false;
    }
    const waitedMs = nowMs - held.sinceMs;
    if (waitedMs >= this.#deadlineMs) held.markIndex ??= following.commitIndex;
    const hasGoneOn = held.markIndex !== null && following.appliedIndex > held.markIndex;
    return waitedMs >= 2 * this.#deadlineMs && hasGoneOn;
  }

  #forget(log: DecisionLog): void {
    for (const [key, { statement }] of this.#held) {
      if (!isMissing(log.decision(statement.operation), statement.author)) this.#held.delete(key);
    }
    for (const [key, { commit }] of this.#accusations) {
      const { operation, author } = commit.statement;
      if (!isMissing(log.decision(operation), author)) this.#accusations.delete(key);
    }
  }
}

function isMissing(decision: Decision | undefined, author: NodeId): boolean {
  return decision?.isParticipant(author) === true && !decision.hasLogged(author);
}

function keyOf({ operation, author }: { readonly operation: number; readonly author: NodeId }) {
  return `${operation}/${author}`;
}
