/**
 * Results of programs as compact bytes: between nodes, between threads, and kept beside the request's id so that a
 * retry gets the first answer. Hostile input is MALFORMED.
 */

import { PackReader } from "./pack-reader.ts";
import { PackWriter } from "./pack-writer.ts";
import type { Column, ProgramResult, SqlError, StatementResult, StepOutcome } from "./program.ts";
import { PROGRAM_LIMITS } from "./program-limits.ts";
import type { SqlValue } from "./value.ts";

/** SQLITE_MAX_COLUMN is 2,000. */
const COLUMN_COUNT_MAX = 2_000;
const ROW_COUNT_MAX = 100_000_000;

const SKIPPED = 0;
const FAILED = 1;
const DONE = 2;

export function encodeProgramResult(result: ProgramResult): Uint8Array {
  const writer = new PackWriter();
  writeProgramResult(writer, result);
  return writer.finish();
}

/** Throws MALFORMED. */
export function decodeProgramResult(bytes: Uint8Array): ProgramResult {
  const reader = new PackReader(bytes, "a program's result");
  const result = readProgramResult(reader);
  reader.end();
  return result;
}

export function encodeStatementResult(result: StatementResult): Uint8Array {
  const writer = new PackWriter();
  writeStatementResult(writer, result);
  return writer.finish();
}

/** Throws MALFORMED. */
export function decodeStatementResult(bytes: Uint8Array): StatementResult {
  const reader = new PackReader(bytes, "a statement's result");
  const result = readStatementResult(reader);
  reader.end();
  return result;
}

export function writeProgramResult(writer: PackWriter, result: ProgramResult): void {
  writer.u8(result.autocommit ? 1 : 0);
  writer.varint(result.steps.length);
  for (const outcome of result.steps) writeOutcome(writer, outcome);
}

export function readProgramResult(reader: PackReader): ProgramResult {
  const autocommit = readFlag(reader);
  const steps: StepOutcome[] = [];
  for (let left = reader.count(PROGRAM_LIMITS.stepCountMax); left > 0; left--) {
    steps.push(readOutcome(reader));
  }
  return { steps, autocommit };
}

function writeOutcome(writer: PackWriter, outcome: StepOutcome): void {
  if (outcome === null) writer.u8(SKIPPED);
  else if (outcome.ok) {
    writer.u8(DONE);
    writeStatementResult(writer, outcome.result);
  } else {
    writer.u8(FAILED);
    writer.text(outcome.error.code);
    writer.varint(outcome.error.extendedCode);
    writer.text(outcome.error.message);
  }
}

function readOutcome(reader: PackReader): StepOutcome {
  const tag = reader.u8();
  if (tag === SKIPPED) return null;
  if (tag === DONE) return { ok: true, result: readStatementResult(reader) };
  if (tag !== FAILED) throw reader.damaged(`outcome tag ${tag}`);
  const error: SqlError = {
    code: reader.text(),
    extendedCode: reader.varint(0xffff_ffff),
    message: reader.text(),
  };
  return { ok: false, error };
}

function writeStatementResult(writer: PackWriter, result: StatementResult): void {
  writer.varint(result.affectedRowCount);
  writer.value(result.lastInsertRowid);
  writer.varint(result.columns.length);
  for (const { name, decltype } of result.columns) {
    writer.text(name);
    writer.value(decltype);
  }
  if (result.columns.length === 0) return;
  writer.varint(result.rows.length);
  for (const row of result.rows) for (const value of row) writer.value(value);
}

function readStatementResult(reader: PackReader): StatementResult {
  const affectedRowCount = reader.varint(Number.MAX_SAFE_INTEGER);
  const lastInsertRowid = reader.value();
  if (lastInsertRowid !== null && typeof lastInsertRowid !== "bigint") {
    throw reader.damaged("a rowid that is no integer");
  }
  const columns: Column[] = [];
  for (let left = reader.count(COLUMN_COUNT_MAX, 2); left > 0; left--) {
    columns.push({ name: reader.text(), decltype: readDecltype(reader) });
  }
  const rows = columns.length === 0 ? [] : readRows(reader, columns.length);
  return { columns, rows, affectedRowCount, lastInsertRowid };
}

function readRows(reader: PackReader, width: number): SqlValue[][] {
  const rows: SqlValue[][] = [];
  for (let left = reader.count(ROW_COUNT_MAX, width); left > 0; left--) {
    const row: SqlValue[] = [];
    for (let i = 0; i < width; i++) row.push(reader.value());
    rows.push(row);
  }
  return rows;
}

function readDecltype(reader: PackReader): string | null {
  const decltype = reader.value();
  if (decltype === null || typeof decltype === "string") return decltype;
  throw reader.damaged("a declared type that is no text");
}

function readFlag(reader: PackReader): boolean {
  const flag = reader.u8();
  if (flag > 1) throw reader.damaged(`flag ${flag}`);
  return flag === 1;
}
