/** Programs of the agent on its own tables, as data, and what their results hold. */

import { MyceliumError } from "../../base/index.ts";
import type { Program, ProgramResult, Statement, Step } from "./program.ts";
import type { SqlValue } from "./value.ts";

export function statement(sql: string, ...args: readonly SqlValue[]): Statement {
  return { sql, args, namedArgs: [], wantRows: true };
}

/** One statement, or several reads: nothing to undo. */
export function plainProgram(...statements: readonly Statement[]): Program {
  return { steps: statements.map((one) => ({ statement: one, condition: null })) };
}

/** All statements in one transaction; the first that fails undoes the others. */
export function atomicProgram(...statements: readonly Statement[]): Program {
  const steps: Step[] = [{ statement: statement("BEGIN IMMEDIATE"), condition: null }];
  for (const one of [...statements, statement("COMMIT")]) {
    steps.push({ statement: one, condition: { type: "ok", step: steps.length - 1 } });
  }
  const committed = { type: "ok", step: steps.length - 1 } as const;
  steps.push({ statement: statement("ROLLBACK"), condition: { type: "not", cond: committed } });
  return { steps };
}

/** The first failure of a program: which of its statements (from 0, BEGIN not counted), and SQLite's code. */
export interface ProgramFailure {
  readonly statement: number;
  readonly code: string;
  readonly message: string;
}

/** Null when all went well. */
export function failureOf(result: ProgramResult, atomic: boolean): ProgramFailure | null {
  for (const [i, step] of result.steps.entries()) {
    if (step === null || step.ok) continue;
    const { code, message } = step.error;
    return { statement: atomic ? i - 1 : i, code, message };
  }
  return null;
}

/** The result, or throws DISK_FULL or SQL: "Cannot ACTION: ...". */
export function succeeded(result: ProgramResult, atomic: boolean, action: string): ProgramResult {
  const failure = failureOf(result, atomic);
  if (failure === null) return result;
  const { code, message } = failure;
  throw new MyceliumError(codeOfFailure(failure), `Cannot ${action}: ${code}: ${message}`);
}

/** For failures that no program of the agent's own expects. */
export function codeOfFailure({ code }: ProgramFailure): "DISK_FULL" | "SQL" {
  return code === "SQLITE_FULL" ? "DISK_FULL" : "SQL";
}
