/**
 * Cuts a program into the calls that serve it: reads, an atomic write, or steps of an interactive transaction. A
 * program that surely ends the transaction it begins is one atomic request. One that ends it unless something fails is
 * tried as one: if it does leave its transaction open it was undone, and is cut again. Pure.
 */

import type { Condition, Program, Step, StepOutcome } from "../../domain/sql/index.ts";

/**
 * What the gateway must know of a statement. A SAVEPOINT begins a transaction where none is open; `release` is
 * RELEASE, which may end that one, and ROLLBACK TO is a read.
 */
export type StatementKind =
  | { readonly type: "read" }
  | { readonly type: "write" }
  | { readonly type: "begin"; readonly mode: "read" | "deferred" | "write" }
  | { readonly type: "commit" }
  | { readonly type: "rollback" }
  | { readonly type: "release" };

/** Steps up to `to` (not included) and the call that runs them. */
export type Segment = {
  readonly to: number;
} & (
  | { readonly via: "read" | "write" | "attempt" | "step" }
  | { readonly via: "begin"; readonly mode: "read" | "deferred" | "write" }
);

/** The first call for the steps from `from` on; an "attempt" only where `mayTry`. */
export function nextSegment(
  program: Program,
  kinds: readonly StatementKind[],
  from: number,
  inTransaction: boolean,
  mayTry = true,
): Segment {
  if (inTransaction) return { to: endOfTransaction(kinds, from), via: "step" };
  const begin = indexOfBegin(kinds, from);
  if (begin === null) return { to: kinds.length, via: viaOf(kinds, from, kinds.length) };
  if (endsItself(program, kinds, begin)) {
    return { to: kinds.length, via: viaOf(kinds, from, kinds.length) };
  }
  if (mayTry && isEnd(kinds.at(-1)) && viaOf(kinds, from, kinds.length) === "write") {
    return { to: kinds.length, via: "attempt" };
  }
  if (begin > from) return { to: begin, via: viaOf(kinds, from, begin) };
  const kind = kinds[begin];
  const mode = kind?.type === "begin" ? kind.mode : "write";
  return { to: endOfTransaction(kinds, from + 1), via: "begin", mode };
}

function indexOfBegin(kinds: readonly StatementKind[], from: number): number | null {
  for (let i = from; i < kinds.length; i++) if (kinds[i]?.type === "begin") return i;
  return null;
}

/** Transaction control around reads alone is a read as well: it asks for one snapshot. */
function viaOf(kinds: readonly StatementKind[], from: number, to: number): "read" | "write" {
  for (let i = from; i < to; i++) {
    const kind = kinds[i];
    if (kind === undefined || kind.type === "write") return "write";
    if (kind.type === "begin" && kind.mode === "write") return "write";
  }
  return "read";
}

/** Behind the COMMIT and ROLLBACK that are followed by something else; the end when nothing is. */
function endOfTransaction(kinds: readonly StatementKind[], from: number): number {
  for (let i = from; i + 1 < kinds.length; i++) {
    if (isEnd(kinds[i]) && !isEnd(kinds[i + 1])) return i + 1;
  }
  return kinds.length;
}

/**
 * Whether no outcome of the steps leaves the last transaction open: its last COMMIT or ROLLBACK is unconditional, or
 * is a ROLLBACK that runs unless a COMMIT succeeded (what libSQL's `batch()` sends).
 */
function endsItself(program: Program, kinds: readonly StatementKind[], from: number): boolean {
  let last = kinds.length - 1;
  while (last > from && !isEnd(kinds[last])) {
    if (kinds[last]?.type === "begin") return false;
    last--;
  }
  if (last === from) return false;
  const condition = program.steps[last]?.condition ?? null;
  if (condition === null) return true;
  const commitsFrom = kinds.findLastIndex((kind) => kind.type === "begin") + 1;
  const isCommit = (step: number) => step >= commitsFrom && kinds[step]?.type === "commit";
  return kinds[last]?.type === "rollback" && runsUnlessCommitted(condition, isCommit);
}

function runsUnlessCommitted(condition: Condition, isCommit: (step: number) => boolean): boolean {
  if (condition.type === "and") {
    return condition.conds.every((cond) => runsUnlessCommitted(cond, isCommit));
  }
  if (condition.type !== "not") return false;
  const { cond } = condition;
  return cond.type === "is_autocommit" || (cond.type === "ok" && isCommit(cond.step));
}

function isEnd(kind: StatementKind | undefined): boolean {
  return kind?.type === "commit" || kind?.type === "rollback";
}

/** The steps from `from` to `to` as a program of their own, given how the steps before it ended. */
export function subprogram(
  program: Program,
  from: number,
  to: number,
  outcomes: readonly StepOutcome[],
): Program {
  if (from === 0 && to === program.steps.length) return program;
  const steps: Step[] = [];
  for (const { statement, condition } of program.steps.slice(from, to)) {
    steps.push({
      statement,
      condition: condition === null || from === 0 ? condition : rebase(condition, from, outcomes),
    });
  }
  return { steps };
}

const TRUE: Condition = { type: "and", conds: [] };
const FALSE: Condition = { type: "or", conds: [] };

function rebase(condition: Condition, from: number, outcomes: readonly StepOutcome[]): Condition {
  switch (condition.type) {
    case "ok":
    case "error": {
      if (condition.step >= from) return { type: condition.type, step: condition.step - from };
      const outcome = outcomes[condition.step] ?? null;
      return outcome !== null && outcome.ok === (condition.type === "ok") ? TRUE : FALSE;
    }
    case "not":
      return { type: "not", cond: rebase(condition.cond, from, outcomes) };
    case "and":
    case "or":
      return {
        type: condition.type,
        conds: condition.conds.map((cond) => rebase(cond, from, outcomes)),
      };
    case "is_autocommit":
      return condition;
  }
}
