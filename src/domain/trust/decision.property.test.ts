import { expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import type { NodeId } from "../../base/index.ts";
import { SeededRandom } from "../../base/index.ts";
import type { SignedPart } from "../identity/index.ts";
import { certificateOf, verifyCertificate } from "./certificate.ts";
import { commitmentOf, type DecisionStatement, openStatement } from "./decision-statement.ts";
import { Ballot, COMMIT_MS, NETWORK, REVEAL_MS, VALUE_A, VALUE_B } from "./testing/ballot.ts";

// A machine that is busy with other things takes its time.
setDefaultTimeout(60_000);

interface Logged {
  readonly said: DecisionStatement;
  readonly atMs: number;
}

/** The rules read off the design, one question about the log at a time, with no state kept. PERF: cubic. */
class NaiveModel {
  readonly #log: readonly Logged[];
  readonly #needed: number;

  constructor(log: readonly Logged[], needed: number) {
    this.#log = log;
    this.#needed = needed;
  }

  result(): string {
    const close = this.#log.findIndex((_, i) => this.#closes(i));
    if (close < 0) return "open";
    const value = this.#decidedBefore(close);
    if (value !== null) return value;
    const authors = this.#authorsBefore(close);
    const opening = this.#log[0]!.said as Extract<DecisionStatement, { type: "open" }>;
    const mute = opening.participants.filter(
      ({ node }) => !authors.reveals.has(node) && !this.#liedBefore(close).has(node),
    ).length;
    const best = Math.max(...[VALUE_A, VALUE_B].map((one) => this.#countFor(one, close)));
    return best + mute >= this.#needed ? "timedOut" : "rejected";
  }

  #is(i: number, type: string): boolean {
    return this.#log[i]!.said.type === type;
  }

  #author(i: number): NodeId {
    return this.#log[i]!.said.author;
  }

  #indexes(before: number, test: (i: number) => boolean): number[] {
    return [...Array(before).keys()].filter(test);
  }

  #isCommit(i: number): boolean {
    if (!this.#is(i, "commit")) return false;
    const isFirst = !this.#indexes(i, (j) => this.#is(j, "commit")).some(
      (j) => this.#author(j) === this.#author(i) && this.#isCommit(j),
    );
    return (
      isFirst && this.#indexes(i, (j) => this.#isReveal(j) || this.#isDeadline(j)).length === 0
    );
  }

  #revealsOpenAt(before: number): number | null {
    const i = this.#indexes(before, (j) => {
      if (this.#isDeadline(j)) return true;
      return (
        this.#isCommit(j) && this.#indexes(j + 1, (k) => this.#isCommit(k)).length >= this.#needed
      );
    })[0];
    return i === undefined ? null : this.#log[i]!.atMs;
  }

  #isDeadline(i: number): boolean {
    if (!this.#is(i, "deadline")) return false;
    return this.#log[i]!.atMs >= this.#log[0]!.atMs + COMMIT_MS && this.#revealsOpenAt(i) === null;
  }

  #isReveal(i: number): boolean {
    const { said } = this.#log[i]!;
    if (said.type !== "reveal" || this.#revealsOpenAt(i) === null) return false;
    const commits = this.#indexes(i, (j) => this.#isCommit(j) && this.#author(j) === said.author);
    const fits = commits.some((j) => {
      const commit = this.#log[j]!.said as Extract<DecisionStatement, { type: "commit" }>;
      return Buffer.compare(commit.commitment, commitmentOf(said)) === 0;
    });
    return (
      fits &&
      !this.#indexes(i, (j) => this.#isReveal(j)).some((j) => this.#author(j) === said.author)
    );
  }

  #liedBefore(end: number): Set<NodeId> {
    const commits = this.#indexes(end, (i) => this.#is(i, "commit"));
    const liars = commits.filter((i) =>
      commits.some((j) => {
        const [a, b] = [i, j].map(
          (k) => this.#log[k]!.said as Extract<DecisionStatement, { type: "commit" }>,
        );
        const differ = Buffer.compare(a!.commitment, b!.commitment) !== 0;
        return j < i && differ && a!.author === b!.author && this.#isCommit(j);
      }),
    );
    return new Set(liars.map((i) => this.#author(i)));
  }

  #authorsBefore(end: number) {
    const of = (test: (i: number) => boolean) =>
      new Set(this.#indexes(end, test).map((i) => this.#author(i)));
    return { commits: of((i) => this.#isCommit(i)), reveals: of((i) => this.#isReveal(i)) };
  }

  #countFor(value: string, end: number): number {
    const liars = this.#liedBefore(end);
    return this.#indexes(end, (i) => {
      const { said } = this.#log[i]!;
      return (
        said.type === "reveal" &&
        said.value === value &&
        this.#isReveal(i) &&
        !liars.has(said.author)
      );
    }).length;
  }

  #decidedBefore(end: number): string | null {
    return [VALUE_A, VALUE_B].find((value) => this.#countFor(value, end) >= this.#needed) ?? null;
  }

  #closes(i: number): boolean {
    const openedAtMs = this.#revealsOpenAt(i);
    if (!this.#is(i, "close") || openedAtMs === null) return false;
    if (this.#decidedBefore(i) !== null || this.#log[i]!.atMs >= openedAtMs + REVEAL_MS)
      return true;
    const { commits, reveals } = this.#authorsBefore(i);
    const opening = this.#log[0]!.said as Extract<DecisionStatement, { type: "open" }>;
    const ended = this.#indexes(i, (j) => this.#isDeadline(j) || this.#isReveal(j)).length > 0;
    const liars = this.#liedBefore(i);
    const complete = [...commits].every((node) => reveals.has(node) || liars.has(node));
    return complete && (ended || commits.size === opening.participants.length);
  }
}

test("any log of statements, in any order, gives the outcome that the naive model reads off it", () => {
  const statement = fc.record({
    node: fc.nat(3),
    kind: fc.constantFrom("commit", "commit", "reveal", "reveal", "deadline", "close"),
    value: fc.constantFrom(VALUE_A, VALUE_A, VALUE_B, null),
    waitMs: fc.constantFrom(0, 0, 0, 0, 200, 600),
  });
  fc.assert(
    fc.property(fc.array(statement, { maxLength: 16 }), (statements) => {
      const ballot = new Ballot([1, 1, 1, 1]);
      const log: Logged[] = [
        { said: openStatement(ballot.opening(), NETWORK)!, atMs: ballot.nowMs },
      ];
      for (const { node, kind, value, waitMs } of statements) {
        ballot.nowMs += waitMs;
        const part = madeBy(ballot, node, kind, value);
        ballot.put(part);
        log.push({ said: openStatement(part, NETWORK)!, atMs: ballot.nowMs });
      }
      const outcome = ballot.decision.outcome;
      const found = outcome === null ? "open" : (outcome.value ?? outcome.result);
      expect(found).toBe(new NaiveModel(log, ballot.decision.bound.needed).result());
    }),
    { numRuns: 300 },
  );
});

function madeBy(ballot: Ballot, node: number, kind: string, value: string | null): SignedPart {
  if (kind === "commit") return ballot.commit(node, value);
  if (kind === "reveal") return ballot.reveal(node, value);
  return ballot.end(node, kind as "deadline" | "close");
}

/** Honest nodes want A; the liars, whose weight is at most F, and a leader that orders and drops, want anything. */
function runWithLiars(seed: number) {
  const random = new SeededRandom(seed);
  const size = 4 + random.below(4);
  const ballot = new Ballot(Array<number>(size).fill(1));
  const { faulty } = ballot.decision.bound;
  const liars = new Set(Array.from({ length: faulty }, () => random.below(size)));
  const withheld = new Set([...Array(size).keys()].filter(() => random.below(4) === 0));
  const lies: SignedPart[] = [];
  for (let step = 0; step < 60; step++) {
    ballot.nowMs += random.below(60);
    const node = random.below(size);
    const { decision } = ballot;
    if (liars.has(node)) {
      const kind = ["commit", "commit", "reveal", "deadline", "close"][random.below(5)]!;
      const value = [VALUE_A, VALUE_B, null][random.below(3)]!;
      const lie = madeBy(ballot, node, kind, value);
      lies.push(lie, ballot.reveal(node, VALUE_B));
      ballot.put(lie);
    } else if (!withheld.has(node)) {
      if (decision.takesCommits && !decision.hasCommitted(ballot.id(node)))
        ballot.put(ballot.commit(node, VALUE_A));
      else if (decision.phase === "reveal")
        ballot.put(ballot.reveal(node, VALUE_A), ballot.end(node, "close"));
      else if (decision.phase === "commit") ballot.put(ballot.end(node, "deadline"));
    }
  }
  return { ballot, lies };
}

test("liars of weight F and a leader that withholds never make the others' value another, nor a second certificate", () => {
  let decided = 0;
  for (let seed = 1; seed <= 200; seed++) {
    const { ballot, lies } = runWithLiars(seed);
    const { decision } = ballot;
    const outcome = decision.outcome;
    if (outcome?.result === "decided") {
      decided++;
      expect([seed, outcome.value]).toEqual([seed, VALUE_A]);
    }
    if (outcome !== null) expect([seed, outcome.result]).not.toEqual([seed, "rejected"]);
    const rules = { network: NETWORK, kind: "release", weights: ballot.weights() } as const;
    const forged = {
      opening: ballot.opening(),
      reveals: [...lies, ...decision.revealsFor(VALUE_B)],
    };
    expect(verifyCertificate(forged, { ...rules, value: VALUE_B }).ok).toBe(false);
    const certificate = certificateOf(decision);
    expect(
      certificate === null || verifyCertificate(certificate, { ...rules, value: VALUE_A }).ok,
    ).toBe(true);
  }
  expect(decided).toBeGreaterThan(20);
});
