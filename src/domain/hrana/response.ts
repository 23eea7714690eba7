/**
 * What clients get, written straight to JSON text: bodies of `pipeline` and the lines of `cursor`. A writer counts
 * what it writes and refuses with TOO_LARGE beyond its limit. Source: Hrana 3, "Requests" and "Cursor entries".
 */

import { MyceliumError } from "../../base/index.ts";
import type {
  Column,
  ProgramResult,
  SqlValue,
  StatementResult,
  StepOutcome,
} from "../sql/index.ts";
import { encodeError, type HranaError, hranaErrorOfSql } from "./error.ts";
import { encodeValue } from "./value.ts";

/** How much one answer may hold. */
export interface ResponseLimits {
  readonly rowCountMax: number;
  /** Characters of JSON, about bytes. */
  readonly sizeMax: number;
}

/** Counts rows and characters of an answer; one per HTTP response. */
export class ResponseBudget {
  readonly #limits: ResponseLimits;
  #rowCount = 0;
  #size = 0;

  constructor(limits: ResponseLimits) {
    this.#limits = limits;
  }

  /** Throws TOO_LARGE. */
  addRow(size: number): void {
    this.#rowCount++;
    this.#size += size;
    const { rowCountMax, sizeMax } = this.#limits;
    if (this.#rowCount <= rowCountMax && this.#size <= sizeMax) return;
    throw new MyceliumError(
      "TOO_LARGE",
      `Cannot send the result: it is over ${rowCountMax} rows or ${sizeMax} bytes; ask for less with LIMIT`,
    );
  }
}

export interface DescribeResult {
  /** Null for a parameter without a name. */
  readonly params: readonly (string | null)[];
  readonly columns: readonly Column[];
  readonly isExplain: boolean;
  readonly isReadonly: boolean;
}

export const CLOSE_OK = '{"type":"ok","response":{"type":"close"}}';
export const SEQUENCE_OK = '{"type":"ok","response":{"type":"sequence"}}';
export const STORE_SQL_OK = '{"type":"ok","response":{"type":"store_sql"}}';
export const CLOSE_SQL_OK = '{"type":"ok","response":{"type":"close_sql"}}';

export function encodeAutocommit(isAutocommit: boolean): string {
  return `{"type":"ok","response":{"type":"get_autocommit","is_autocommit":${isAutocommit}}}`;
}

export function encodeExecute(result: StatementResult, budget: ResponseBudget): string {
  return `{"type":"ok","response":{"type":"execute","result":${encodeResult(result, budget)}}}`;
}

export function encodeBatch(steps: readonly StepOutcome[], budget: ResponseBudget): string {
  const results = steps.map((step) => (step?.ok ? encodeResult(step.result, budget) : "null"));
  const errors = steps.map((step) =>
    step === null || step.ok ? "null" : encodeError(hranaErrorOfSql(step.error)),
  );
  return `{"type":"ok","response":{"type":"batch","result":{"step_results":[${results}],"step_errors":[${errors}]}}}`;
}

export function encodeDescribe(result: DescribeResult): string {
  const described = {
    params: result.params.map((name) => ({ name })),
    cols: result.columns,
    is_explain: result.isExplain,
    is_readonly: result.isReadonly,
  };
  return `{"type":"ok","response":{"type":"describe","result":${JSON.stringify(described)}}}`;
}

export function encodeErrorResult(error: HranaError): string {
  return `{"type":"error","error":${encodeError(error)}}`;
}

/** The body of a `pipeline` response from the results above. */
export function encodePipeline(baton: string | null, results: readonly string[]): string {
  return `{"baton":${JSON.stringify(baton)},"base_url":null,"results":[${results}]}`;
}

/** The first line of a `cursor` response. */
export function encodeCursorHead(baton: string | null): string {
  return `{"baton":${JSON.stringify(baton)},"base_url":null}\n`;
}

/** The line that says that the whole batch failed; always the last. */
export function encodeCursorError(error: HranaError): string {
  return `{"type":"error","error":${encodeError(error)}}\n`;
}

/** The lines of a batch's outcome, one entry each. */
export function* encodeCursorEntries(
  result: ProgramResult,
  budget: ResponseBudget,
): Generator<string> {
  for (const [step, outcome] of result.steps.entries()) {
    if (outcome === null) continue;
    if (!outcome.ok) {
      const error = encodeError(hranaErrorOfSql(outcome.error));
      yield `{"type":"step_error","step":${step},"error":${error}}\n`;
      continue;
    }
    yield `{"type":"step_begin","step":${step},"cols":${encodeColumns(outcome.result.columns)}}\n`;
    for (const row of outcome.result.rows) {
      yield `{"type":"row","row":${encodeRow(row, budget)}}\n`;
    }
    yield `{"type":"step_end",${encodeCounts(outcome.result)}}\n`;
  }
}

function encodeResult(result: StatementResult, budget: ResponseBudget): string {
  const rows: string[] = [];
  for (const row of result.rows) rows.push(encodeRow(row, budget));
  return `{"cols":${encodeColumns(result.columns)},"rows":[${rows}],${encodeCounts(result)}}`;
}

function encodeRow(row: readonly SqlValue[], budget: ResponseBudget): string {
  let text = "[";
  for (let i = 0; i < row.length; i++) {
    if (i > 0) text += ",";
    text += encodeValue(row[i] ?? null);
  }
  budget.addRow(text.length);
  return `${text}]`;
}

function encodeColumns(columns: readonly Column[]): string {
  if (columns.length === 0) return "[]";
  return JSON.stringify(columns.map(({ name, decltype }) => ({ name, decltype })));
}

function encodeCounts(result: StatementResult): string {
  const rowid = result.lastInsertRowid === null ? "null" : `"${result.lastInsertRowid}"`;
  return `"affected_row_count":${result.affectedRowCount},"last_insert_rowid":${rowid}`;
}
