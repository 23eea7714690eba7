/**
 * Programs as compact bytes: for the log, between nodes and between threads. Decoding checks shape and limits;
 * hostile input is MALFORMED or TOO_LARGE. Layout: a step count, then per step one byte of flags, the SQL, the
 * arguments and the condition, each only where its flag is set.
 */

import { PackReader } from "./pack-reader.ts";
import { PackWriter } from "./pack-writer.ts";
import type { Condition, Program, Step } from "./program.ts";
import { PROGRAM_LIMITS, validateProgram } from "./program-limits.ts";
import type { SqlValue } from "./value.ts";

const WANT_ROWS = 1;
const HAS_ARGS = 2;
const HAS_NAMED_ARGS = 4;
const HAS_CONDITION = 8;
const ALL_FLAGS = WANT_ROWS | HAS_ARGS | HAS_NAMED_ARGS | HAS_CONDITION;

/** Flags and an empty statement. */
const STEP_SIZE_MIN = 2;

const CONDITION_TYPES = ["ok", "error", "not", "and", "or", "is_autocommit"] as const;

export function encodeProgram(program: Program): Uint8Array {
  const writer = new PackWriter();
  writeProgram(writer, program);
  return writer.finish();
}

/** Throws MALFORMED or TOO_LARGE. */
export function decodeProgram(bytes: Uint8Array): Program {
  const reader = new PackReader(bytes, "a program");
  const program = readProgram(reader);
  reader.end();
  return program;
}

export function writeProgram(writer: PackWriter, program: Program): void {
  writer.varint(program.steps.length);
  for (const step of program.steps) writeStep(writer, step);
}

export function readProgram(reader: PackReader): Program {
  const steps: Step[] = [];
  for (let left = reader.count(PROGRAM_LIMITS.stepCountMax, STEP_SIZE_MIN); left > 0; left--) {
    steps.push(readStep(reader));
  }
  const program = { steps };
  validateProgram(program);
  return program;
}

function writeStep(writer: PackWriter, { statement, condition }: Step): void {
  writer.u8(
    (statement.wantRows ? WANT_ROWS : 0) |
      (statement.args.length > 0 ? HAS_ARGS : 0) |
      (statement.namedArgs.length > 0 ? HAS_NAMED_ARGS : 0) |
      (condition === null ? 0 : HAS_CONDITION),
  );
  writer.repeatedText(statement.sql);
  if (statement.args.length > 0) writer.values(statement.args);
  if (statement.namedArgs.length > 0) {
    writer.varint(statement.namedArgs.length);
    for (const [name, value] of statement.namedArgs) {
      writer.text(name);
      writer.value(value);
    }
  }
  if (condition !== null) writeCondition(writer, condition);
}

function readStep(reader: PackReader): Step {
  const flags = reader.u8();
  if ((flags & ~ALL_FLAGS) !== 0) throw reader.damaged(`step flags ${flags}`);
  const sql = reader.repeatedText(PROGRAM_LIMITS.sqlSizeMax);
  const args = (flags & HAS_ARGS) === 0 ? [] : reader.values(PROGRAM_LIMITS.argCountMax);
  const namedArgs = (flags & HAS_NAMED_ARGS) === 0 ? [] : readNamedArgs(reader);
  const condition = (flags & HAS_CONDITION) === 0 ? null : readCondition(reader, 0);
  return {
    statement: { sql, args, namedArgs, wantRows: (flags & WANT_ROWS) !== 0 },
    condition,
  };
}

function readNamedArgs(reader: PackReader): (readonly [string, SqlValue])[] {
  const namedArgs: (readonly [string, SqlValue])[] = [];
  for (let left = reader.count(PROGRAM_LIMITS.argCountMax, 2); left > 0; left--) {
    const name = reader.text(4 * PROGRAM_LIMITS.argNameLengthMax);
    namedArgs.push([name, reader.value()]);
  }
  return namedArgs;
}

function writeCondition(writer: PackWriter, condition: Condition): void {
  writer.u8(CONDITION_TYPES.indexOf(condition.type));
  if (condition.type === "ok" || condition.type === "error") writer.varint(condition.step);
  else if (condition.type === "not") writeCondition(writer, condition.cond);
  else if (condition.type !== "is_autocommit") {
    writer.varint(condition.conds.length);
    for (const part of condition.conds) writeCondition(writer, part);
  }
}

function readCondition(reader: PackReader, depth: number): Condition {
  if (depth > PROGRAM_LIMITS.conditionDepthMax) throw reader.damaged("a condition nested too deep");
  const type = CONDITION_TYPES[reader.u8()];
  switch (type) {
    case undefined:
      throw reader.damaged("an unknown condition");
    case "ok":
    case "error":
      return { type, step: reader.varint(PROGRAM_LIMITS.stepCountMax) };
    case "not":
      return { type, cond: readCondition(reader, depth + 1) };
    case "is_autocommit":
      return { type };
    default: {
      const conds: Condition[] = [];
      for (let left = reader.count(PROGRAM_LIMITS.conditionNodesMax); left > 0; left--) {
        conds.push(readCondition(reader, depth + 1));
      }
      return { type, conds };
    }
  }
}
