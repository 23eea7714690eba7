/**
 * One Byzantine decision, as a function of the log: open, commit, reveal, close (the design's 4.9, spec 02). Entries
 * are applied in the log's order; one that is forged, too early, too late or said twice changes nothing, so that
 * every reader of the same log has the same outcome, whoever wrote the entries and whatever the leader wanted.
 *
 * - Commits are taken until the deadline entry or the first reveal. Reveals open when enough weight for a decision
 *   has committed, or with the deadline entry; after close they are void.
 * - Time is the log's (pinned by its leader, never falling): a deadline or close that comes too early is void.
 * - Whoever signs two conflicting commits in one operation loses its vote; the two are kept as evidence.
 */

import { equalBytes, type NodeId } from "../../base/index.ts";
import type { SignedPart } from "../identity/index.ts";
import {
  type CommitStatement,
  commitmentOf,
  type DecisionKind,
  type DecisionStatement,
  type DecisionValue,
  type OpenStatement,
  type RevealStatement,
} from "./decision-statement.ts";
import { type DecisionBound, decisionBound, type Participant } from "./decision-weights.ts";

/** What became of one participant's vote. `silent` committed and did not reveal. */
export type Part = "for" | "against" | "silent" | "absent" | "equivocated";

export interface ParticipantPart extends Participant {
  readonly part: Part;
  /** What it gave as its reason; empty when it gave none. */
  readonly reason: string;
}

export interface Outcome {
  /** `rejected`: no value can reach the bound any more; `timedOut`: those who were missing might have decided. */
  readonly result: "decided" | "rejected" | "timedOut";
  readonly value: DecisionValue | null;
  readonly parts: readonly ParticipantPart[];
}

/** Two signed statements of one author that cannot both be honest. */
export interface Equivocation {
  readonly author: NodeId;
  readonly first: SignedPart;
  readonly second: SignedPart;
}

interface Commit {
  readonly commitment: Uint8Array;
  readonly part: SignedPart;
}
interface Reveal {
  readonly value: DecisionValue | null;
  readonly reason: string;
  readonly part: SignedPart;
}

export class Decision {
  readonly opening: OpenStatement;
  /** The opening as it was signed. */
  readonly openingPart: SignedPart;
  readonly openedAtMs: number;
  readonly bound: DecisionBound;
  readonly #weights: ReadonlyMap<NodeId, number>;
  readonly #commits = new Map<NodeId, Commit>();
  readonly #logged = new Set<NodeId>();
  readonly #reveals = new Map<NodeId, Reveal>();
  readonly #equivocations = new Map<NodeId, Equivocation>();
  #revealsOpenedAtMs: number | null = null;
  #commitsEnded = false;
  #outcome: Outcome | null = null;

  constructor(opening: OpenStatement, part: SignedPart, atMs: number) {
    this.opening = opening;
    this.openingPart = part;
    this.openedAtMs = atMs;
    this.bound = decisionBound(opening.participants);
    this.#weights = new Map(opening.participants.map(({ node, weight }) => [node, weight]));
  }

  get operation(): number {
    return this.opening.operation;
  }

  get kind(): DecisionKind {
    return this.opening.kind;
  }

  /** Null until it is closed. */
  get outcome(): Outcome | null {
    return this.#outcome;
  }

  get phase(): "commit" | "reveal" | "closed" {
    if (this.#outcome !== null) return "closed";
    return this.#revealsOpenedAtMs === null ? "commit" : "reveal";
  }

  get takesCommits(): boolean {
    return this.#outcome === null && !this.#commitsEnded;
  }

  /** When reveals were opened; null while they are not. */
  get revealsOpenedAtMs(): number | null {
    return this.#revealsOpenedAtMs;
  }

  hasCommitted(node: NodeId): boolean {
    return this.#commits.has(node);
  }

  hasRevealed(node: NodeId): boolean {
    return this.#reveals.has(node);
  }

  get equivocations(): readonly Equivocation[] {
    return [...this.#equivocations.values()];
  }

  isParticipant(node: NodeId): boolean {
    return this.#weights.has(node);
  }

  /** 0 for one that takes no part. */
  weightOf(node: NodeId): number {
    return this.#weights.get(node) ?? 0;
  }

  /** Whether a participant's commit is in the log at all, in time or too late to count. */
  hasLogged(node: NodeId): boolean {
    return this.#logged.has(node);
  }

  /** Whether everybody who takes part has committed: nothing is gained by waiting. */
  get allCommitted(): boolean {
    return this.#commits.size === this.#weights.size;
  }

  /** When a deadline entry would count; null when none is needed any more. */
  get deadlineAtMs(): number | null {
    return this.phase === "commit" ? this.openedAtMs + this.opening.commitMs : null;
  }

  /** When a close would count: at once (0), from a time on, or not yet (null). */
  get closeAtMs(): number | null {
    if (this.#outcome !== null || this.#revealsOpenedAtMs === null) return null;
    if (this.#decidedValue() !== null) return 0;
    const isComplete = [...this.#commits.keys()].every(
      (node) => this.#reveals.has(node) || this.#equivocations.has(node),
    );
    const noMoreCommits = this.#commitsEnded || this.allCommitted;
    if (isComplete && noMoreCommits) return 0;
    return this.#revealsOpenedAtMs + this.opening.revealMs;
  }

  /** Takes a statement whose signature and network hold, at the log's time. Whatever does not fit is void. */
  apply(statement: DecisionStatement, part: SignedPart, atMs: number): void {
    if (!this.#weights.has(statement.author)) return;
    if (statement.type === "commit") this.#logged.add(statement.author);
    if (this.#outcome !== null) return;
    if (statement.type === "commit") this.#commit(statement, part, atMs);
    if (statement.type === "reveal") this.#reveal(statement, part);
    if (statement.type === "deadline" && atMs >= (this.deadlineAtMs ?? Number.POSITIVE_INFINITY)) {
      this.#commitsEnded = true;
      this.#revealsOpenedAtMs = atMs;
    }
    if (statement.type === "close" && atMs >= (this.closeAtMs ?? Number.POSITIVE_INFINITY)) {
      this.#outcome = this.#conclude();
    }
  }

  /** The signed reveals for a value, with the opening: what a certificate is made of. */
  revealsFor(value: DecisionValue): readonly SignedPart[] {
    return this.#counted()
      .filter(([, reveal]) => reveal.value === value)
      .map(([, { part }]) => part);
  }

  #commit({ author, commitment }: CommitStatement, part: SignedPart, atMs: number): void {
    const before = this.#commits.get(author);
    if (before !== undefined) {
      if (equalBytes(before.commitment, commitment) || this.#equivocations.has(author)) return;
      this.#equivocations.set(author, { author, first: before.part, second: part });
      return;
    }
    if (this.#commitsEnded) return;
    this.#commits.set(author, { commitment: commitment.slice(), part });
    if (this.#revealsOpenedAtMs === null && this.#committedWeight() >= this.bound.needed) {
      this.#revealsOpenedAtMs = atMs;
    }
  }

  #reveal(statement: RevealStatement, part: SignedPart): void {
    const { author, value, reason } = statement;
    const commit = this.#commits.get(author);
    if (this.#revealsOpenedAtMs === null || commit === undefined) return;
    if (this.#reveals.has(author) || !equalBytes(commit.commitment, commitmentOf(statement)))
      return;
    this.#reveals.set(author, { value, reason, part });
    this.#commitsEnded = true;
  }

  #committedWeight(): number {
    return [...this.#commits.keys()].reduce((sum, node) => sum + this.weightOf(node), 0);
  }

  /** Reveals of those who did not say two things. */
  #counted(): (readonly [NodeId, Reveal])[] {
    return [...this.#reveals].filter(([node]) => !this.#equivocations.has(node));
  }

  #tally(): Map<DecisionValue, number> {
    const tally = new Map<DecisionValue, number>();
    for (const [node, { value }] of this.#counted()) {
      if (value !== null) tally.set(value, (tally.get(value) ?? 0) + this.weightOf(node));
    }
    return tally;
  }

  #decidedValue(): DecisionValue | null {
    for (const [value, weight] of this.#tally()) if (weight >= this.bound.needed) return value;
    return null;
  }

  #conclude(): Outcome {
    const value = this.#decidedValue();
    const parts = this.opening.participants.map((one) => ({
      ...one,
      ...this.#partOf(one.node, value),
    }));
    if (value !== null) return { result: "decided", value, parts };
    const missing = parts
      .filter(({ part }) => part === "absent" || part === "silent")
      .reduce((sum, { weight }) => sum + weight, 0);
    const best = Math.max(0, ...this.#tally().values());
    const result = best + missing >= this.bound.needed ? "timedOut" : "rejected";
    return { result, value: null, parts };
  }

  #partOf(node: NodeId, value: DecisionValue | null): { part: Part; reason: string } {
    if (this.#equivocations.has(node)) return { part: "equivocated", reason: "" };
    const reveal = this.#reveals.get(node);
    if (reveal === undefined) {
      return { part: this.#commits.has(node) ? "silent" : "absent", reason: "" };
    }
    const isFor = reveal.value !== null && (value === null || reveal.value === value);
    return { part: isFor ? "for" : "against", reason: reveal.reason };
  }
}
