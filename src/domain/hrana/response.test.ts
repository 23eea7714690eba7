import { describe, expect, test } from "bun:test";
import { errorCodeOf } from "../../base/index.ts";
import type { StatementResult, StepOutcome } from "../sql/index.ts";
import {
  encodeBatch,
  encodeCursorEntries,
  encodeDescribe,
  encodeErrorResult,
  encodeExecute,
  encodePipeline,
  hranaErrorOfSql,
  ResponseBudget,
} from "./index.ts";

const RESULT: StatementResult = {
  columns: [
    { name: "id", decltype: "INTEGER" },
    { name: 'say "hi"', decltype: null },
  ],
  rows: [
    [1n, "a"],
    [2n, null],
  ],
  affectedRowCount: 0,
  lastInsertRowid: 5n,
};
const FAILURE: StepOutcome = {
  ok: false,
  error: {
    code: "SQLITE_CONSTRAINT_UNIQUE",
    extendedCode: 2067,
    message: "UNIQUE constraint failed: t.a",
  },
};
const ERROR_JSON = {
  message: "UNIQUE constraint failed: t.a",
  code: "SQLITE_CONSTRAINT",
  extended_code: "SQLITE_CONSTRAINT_UNIQUE",
  raw_code: 2067,
};
const RESULT_JSON = {
  cols: [
    { name: "id", decltype: "INTEGER" },
    { name: 'say "hi"', decltype: null },
  ],
  rows: [
    [
      { type: "integer", value: "1" },
      { type: "text", value: "a" },
    ],
    [{ type: "integer", value: "2" }, { type: "null" }],
  ],
  affected_row_count: 0,
  last_insert_rowid: "5",
};

function budget(): ResponseBudget {
  return new ResponseBudget({ rowCountMax: 3, sizeMax: 1_000 });
}

describe("responses", () => {
  test("a pipeline's body is JSON as the specification has it", () => {
    const body = encodePipeline("baton", [
      encodeExecute(RESULT, budget()),
      encodeErrorResult(hranaErrorOfSql(FAILURE.error)),
    ]);
    expect(JSON.parse(body)).toEqual({
      baton: "baton",
      base_url: null,
      results: [
        { type: "ok", response: { type: "execute", result: RESULT_JSON } },
        { type: "error", error: ERROR_JSON },
      ],
    });
  });

  test("a batch has a result, an error or neither for each step", () => {
    const steps: StepOutcome[] = [{ ok: true, result: RESULT }, FAILURE, null];
    expect(JSON.parse(encodeBatch(steps, budget())).response.result).toEqual({
      step_results: [RESULT_JSON, null, null],
      step_errors: [null, ERROR_JSON, null],
    });
  });

  test("a cursor's lines begin and end each step that ran", () => {
    const steps: StepOutcome[] = [{ ok: true, result: RESULT }, null, FAILURE];
    const lines = [...encodeCursorEntries({ steps, autocommit: true }, budget())];
    for (const line of lines) expect(line.indexOf("\n")).toBe(line.length - 1);
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { type: "step_begin", step: 0, cols: RESULT_JSON.cols },
      { type: "row", row: RESULT_JSON.rows[0] },
      { type: "row", row: RESULT_JSON.rows[1] },
      { type: "step_end", affected_row_count: 0, last_insert_rowid: "5" },
      { type: "step_error", step: 2, error: ERROR_JSON },
    ]);
  });

  test("rows beyond the budget are refused, over several results too", () => {
    const shared = budget();
    encodeExecute(RESULT, shared);
    expect(() => encodeExecute(RESULT, shared)).toThrow("over 3 rows");
    const small = new ResponseBudget({ rowCountMax: 100, sizeMax: 50 });
    try {
      encodeExecute(RESULT, small);
      throw new Error("was accepted");
    } catch (error) {
      expect(errorCodeOf(error)).toBe("TOO_LARGE");
    }
  });

  test("a description names parameters and columns", () => {
    const text = encodeDescribe({
      params: [null, ":a"],
      columns: [{ name: "id", decltype: "INTEGER" }],
      isExplain: false,
      isReadonly: true,
    });
    expect(JSON.parse(text).response.result).toEqual({
      params: [{ name: null }, { name: ":a" }],
      cols: [{ name: "id", decltype: "INTEGER" }],
      is_explain: false,
      is_readonly: true,
    });
  });
});
