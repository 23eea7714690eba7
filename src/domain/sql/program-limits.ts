/** Bounds on programs, the same for gateway, leader and replicas, so that what one accepts no other refuses. */

import { MyceliumError } from "../../base/index.ts";
import type { Condition, Program, Statement } from "./program.ts";

export const PROGRAM_LIMITS = {
  stepCountMax: 5_000,
  /** One statement's text, in bytes of UTF-8. */
  sqlSizeMax: 1_048_576,
  /** SQLite's usual SQLITE_MAX_VARIABLE_NUMBER. */
  argCountMax: 32_766,
  argNameLengthMax: 256,
  conditionDepthMax: 16,
  conditionNodesMax: 1_000,
  /** All texts and arguments together. */
  programSizeMax: 16 * 1_048_576,
} as const;

const FIXED_VALUE_SIZE = 9;

/** Throws TOO_LARGE or MALFORMED when a program passes a limit or a condition names a step that is not before it. */
export function validateProgram(program: Program): void {
  const { stepCountMax, programSizeMax } = PROGRAM_LIMITS;
  if (program.steps.length > stepCountMax) {
    throw tooLarge(`${program.steps.length} statements`, `at most ${stepCountMax}`);
  }
  let sizeBytes = 0;
  for (const [position, step] of program.steps.entries()) {
    sizeBytes += statementSize(step.statement);
    if (sizeBytes > programSizeMax) throw tooLarge("more bytes", `at most ${programSizeMax}`);
    if (step.condition !== null) validateCondition(step.condition, position, 0, { count: 0 });
  }
}

/** All texts and arguments of a program that was validated, in bytes: about what it weighs in the log. */
export function programSizeBytes(program: Program): number {
  let sizeBytes = 0;
  for (const { statement } of program.steps) sizeBytes += statementSize(statement);
  return sizeBytes;
}

function statementSize(statement: Statement): number {
  const { sqlSizeMax, argCountMax, argNameLengthMax } = PROGRAM_LIMITS;
  let sizeBytes = Buffer.byteLength(statement.sql);
  if (sizeBytes > sqlSizeMax) throw tooLarge(`a statement of ${sizeBytes} bytes`, `${sqlSizeMax}`);
  if (statement.args.length + statement.namedArgs.length > argCountMax) {
    throw tooLarge(`${statement.args.length} arguments`, `at most ${argCountMax}`);
  }
  for (const value of statement.args) sizeBytes += valueSize(value);
  for (const [name, value] of statement.namedArgs) {
    if (name.length > argNameLengthMax) {
      throw tooLarge(`an argument name of ${name.length} letters`, `at most ${argNameLengthMax}`);
    }
    sizeBytes += name.length + valueSize(value);
  }
  return sizeBytes;
}

function valueSize(value: Statement["args"][number]): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (value instanceof Uint8Array) return value.length;
  if (typeof value === "bigint" && BigInt.asIntN(64, value) !== value) {
    throw malformed(`the integer ${value}`, "64 bits");
  }
  return FIXED_VALUE_SIZE;
}

function validateCondition(
  condition: Condition,
  position: number,
  depth: number,
  nodes: { count: number },
): void {
  const { conditionDepthMax, conditionNodesMax } = PROGRAM_LIMITS;
  nodes.count++;
  if (depth > conditionDepthMax || nodes.count > conditionNodesMax) {
    throw tooLarge("a larger condition", `depth ${conditionDepthMax}, ${conditionNodesMax} parts`);
  }
  if (condition.type === "ok" || condition.type === "error") {
    const isEarlier = Number.isInteger(condition.step) && condition.step >= 0;
    if (!isEarlier || condition.step >= position) {
      throw malformed(`a condition on step ${condition.step} at step ${position}`, "earlier steps");
    }
  } else if (condition.type === "not") {
    validateCondition(condition.cond, position, depth + 1, nodes);
  } else if (condition.type !== "is_autocommit") {
    for (const part of condition.conds) validateCondition(part, position, depth + 1, nodes);
  }
}

function tooLarge(found: string, needed: string): MyceliumError {
  return new MyceliumError(
    "TOO_LARGE",
    `Cannot take the program: found ${found}, needed ${needed}; split it into smaller ones`,
  );
}

function malformed(found: string, needed: string): MyceliumError {
  return new MyceliumError(
    "MALFORMED",
    `Cannot take the program: found ${found}, needed ${needed}`,
  );
}
