/** What clients asked and were told, and what must hold of it beyond linearizability. */

import type { ProgramResult } from "../../src/domain/sql/index.ts";
import { checkLinearizable, type Operation, type Verdict } from "./linearizability.ts";

/** A read of the append-only list, weaker than strong. */
export interface WeakRead {
  readonly client: string;
  /** The node's process that answered. */
  readonly process: string;
  readonly callMs: number;
  readonly returnMs: number;
  readonly value: string;
  /** Null for a local read. */
  readonly maxStaleMs: number | null;
}

/** Clocks of simulated nodes run at most this much wrong. */
export const CLOCK_RATE_MAX = 1.001;

export class History {
  readonly operations: Operation[] = [];
  readonly weakReads: WeakRead[] = [];
  /** Programs that were certainly refused: none may show up. */
  refusedCount = 0;

  get okCount(): number {
    return this.operations.filter(({ answers }) => answers !== null).length;
  }

  get unknownCount(): number {
    return this.operations.length - this.okCount;
  }
}

/** Each statement's answer as the model writes it. */
export function answersOf(result: ProgramResult): readonly string[] {
  return result.steps.map((step) => {
    if (step === null) return "skipped";
    if (!step.ok) return "!";
    const value = step.result.rows[0]?.[0] ?? null;
    return value === null ? "-" : String(value);
  });
}

export function failedWith(result: ProgramResult, code: string): boolean {
  return result.steps.some((step) => step !== null && !step.ok && step.error.code === code);
}

/** The table all statements of a program are in. */
export function tableOfProgram(program: readonly string[]): string {
  const key = program[0]?.split(" ")[1] ?? "";
  return key.split("/")[0] ?? "";
}

export interface HistoryVerdict {
  readonly violation: string | null;
  readonly undecidedCount: number;
}

/** Checks a finished history; `finalLists` holds each append-only list as strong reads gave it at the end. */
export function judge(history: History, finalLists: ReadonlyMap<string, string>): HistoryVerdict {
  const byTable = new Map<string, Operation[]>();
  for (const operation of history.operations) {
    const table = tableOfProgram(operation.program);
    const part = byTable.get(table) ?? [];
    part.push(operation);
    byTable.set(table, part);
  }
  let undecidedCount = 0;
  for (const [table, operations] of byTable) {
    const verdict = checkLinearizable(operations);
    if (verdict.kind === "undecided") undecidedCount++;
    if (verdict.kind === "violation") {
      return { violation: describe(table, verdict, operations), undecidedCount };
    }
  }
  return { violation: judgeWeakReads(history, finalLists), undecidedCount };
}

function judgeWeakReads(history: History, finalLists: ReadonlyMap<string, string>): string | null {
  const longest = new Map<string, { length: number; returnMs: number }>();
  for (const read of history.weakReads) {
    const final = finalLists.get("log/x") ?? "-";
    const isPrefix = read.value === "-" || `${final},`.startsWith(`${read.value},`);
    if (!isPrefix) return `a weak read saw what was never committed: ${showRead(read)}`;
    const missed = missedByBounded(read, history.operations);
    if (missed !== null) return `a bounded read missed ${missed}: ${showRead(read)}`;
    const before = longest.get(read.process);
    const length = read.value === "-" ? 0 : read.value.length;
    if (before !== undefined && before.returnMs < read.callMs && length < before.length) {
      return `a replica went back in time within one life: ${showRead(read)}`;
    }
    if (before === undefined || length >= before.length) {
      longest.set(read.process, { length, returnMs: read.returnMs });
    }
  }
  return null;
}

/** A value acknowledged longer ago than the bound allows to miss, and missed. */
function missedByBounded(read: WeakRead, operations: readonly Operation[]): string | null {
  if (read.maxStaleMs === null) return null;
  const freshMs = read.callMs - read.maxStaleMs * CLOCK_RATE_MAX - 1;
  const seen = new Set(read.value.split(","));
  for (const { program, returnMs, answers } of operations) {
    if (answers === null || returnMs >= freshMs) continue;
    for (const sql of program) {
      const [verb, key, token = ""] = sql.split(" ");
      if (verb === "append" && key === "log/x" && !seen.has(token)) return token;
    }
  }
  return null;
}

function showRead(read: WeakRead): string {
  const bound = read.maxStaleMs === null ? "local" : `bounded ${read.maxStaleMs} ms`;
  return `${read.process} at ${read.callMs.toFixed(1)} (${bound}) gave ${tail(read.value)}`;
}

function describe(
  table: string,
  verdict: Verdict & { kind: "violation" },
  operations: readonly Operation[],
): string {
  const { stuckAt, explained } = verdict;
  const lines = [`table ${table} is not linearizable; explained ${explained.length} operations`];
  for (const operation of explained.slice(-6)) lines.push(`  before  ${showOperation(operation)}`);
  if (stuckAt !== null) lines.push(`  stuck   ${showOperation(stuckAt)}`);
  const taken = new Set(explained);
  const fromMs = stuckAt?.callMs ?? 0;
  const others = operations.filter(
    (operation) => !taken.has(operation) && operation !== stuckAt && operation.returnMs >= fromMs,
  );
  const next = others.sort((a, b) => a.callMs - b.callMs).slice(0, 8);
  for (const operation of next) lines.push(`  left    ${showOperation(operation)}`);
  return lines.join("\n");
}

export function showOperation(operation: Operation): string {
  const { client, callMs, returnMs, program, answers } = operation;
  const end = returnMs === Number.POSITIVE_INFINITY ? "?" : returnMs.toFixed(1);
  const told = answers === null ? "unknown" : answers.map(tail).join("; ");
  return `${client} ${callMs.toFixed(1)}..${end} [${program.join("; ")}] -> ${told}`;
}

function tail(value: string): string {
  return value.length <= 48 ? value : `...${value.slice(-45)}`;
}
