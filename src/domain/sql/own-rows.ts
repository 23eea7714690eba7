/** Reads rows of the agent's own tables. They are our own, so what does not fit them is damage: MALFORMED. */

import { MyceliumError } from "../../base/index.ts";
import type { ProgramResult } from "./program.ts";
import type { SqlValue } from "./value.ts";

export type Row = readonly SqlValue[];

/** The rows of one step. Throws SQL when the step failed or did not run; `what` is what is read. */
export function rowsOf(result: ProgramResult, step: number, what: string): readonly Row[] {
  const outcome = result.steps[step];
  if (outcome?.ok) return outcome.result.rows;
  const found = outcome?.error.message ?? "the statement did not run";
  throw new MyceliumError("SQL", `Cannot read ${what}: ${found}`);
}

export function textOf(value: SqlValue | undefined): string {
  if (typeof value === "string") return value;
  throw damaged("text", value);
}

/** An INTEGER that a JavaScript number holds exactly. */
export function numberOf(value: SqlValue | undefined): number {
  if (typeof value === "bigint" && Number.isSafeInteger(Number(value))) return Number(value);
  throw damaged("an integer", value);
}

export function blobOf(value: SqlValue | undefined): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw damaged("a blob", value);
}

function damaged(needed: string, found: SqlValue | undefined): MyceliumError {
  return new MyceliumError(
    "MALFORMED",
    `Cannot read a row of an own table: found ${found === null ? "NULL" : typeof found}, needed ${needed}`,
  );
}

/** Rows that a step of the program changed; 0 for one that did not run. */
export function changedRows(result: ProgramResult, step: number): number {
  const outcome = result.steps[step];
  return outcome?.ok ? outcome.result.affectedRowCount : 0;
}
