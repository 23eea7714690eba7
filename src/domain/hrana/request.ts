/**
 * What clients send: pipelines and cursors of Hrana 2 and 3 over HTTP, JSON encoding, checked by shape and bounded.
 * Unknown fields are ignored, as the specification demands. Source: Hrana 3, "Requests" and "Shared structures".
 */

import { type Condition, PROGRAM_LIMITS, type SqlValue, type Statement } from "../sql/index.ts";
import { malformed } from "../wire/index.ts";
import { decodeValue } from "./value.ts";

/** SQL given as text, or as the id of a text stored on the stream. */
export type SqlRef = { readonly sql: string } | { readonly sqlId: number };

/** A statement whose text may still be an id: then `statement.sql` is empty. */
export interface StatementRef {
  readonly sqlId: number | null;
  readonly statement: Statement;
}

export interface StepRef {
  readonly stmt: StatementRef;
  readonly condition: Condition | null;
}

export type StreamRequest =
  | { readonly type: "close" }
  | { readonly type: "execute"; readonly stmt: StatementRef }
  | { readonly type: "batch"; readonly steps: readonly StepRef[] }
  | { readonly type: "sequence"; readonly sql: SqlRef }
  | { readonly type: "describe"; readonly sql: SqlRef }
  | { readonly type: "store_sql"; readonly sqlId: number; readonly sql: string }
  | { readonly type: "close_sql"; readonly sqlId: number }
  | { readonly type: "get_autocommit" };

export interface PipelineRequest {
  readonly baton: string | null;
  readonly requests: readonly StreamRequest[];
}

export interface CursorRequest {
  readonly baton: string | null;
  readonly steps: readonly StepRef[];
}

/** Stream requests in one pipeline. */
const REQUEST_COUNT_MAX = 4_096;
const BATON_LENGTH_MAX = 128;
const STEP_COUNT_MAX = PROGRAM_LIMITS.stepCountMax;
const ARG_COUNT_MAX = PROGRAM_LIMITS.argCountMax;
const ARG_NAME_LENGTH_MAX = PROGRAM_LIMITS.argNameLengthMax;
const CONDITION_DEPTH_MAX = PROGRAM_LIMITS.conditionDepthMax;
const CONDITION_COUNT_MAX = PROGRAM_LIMITS.conditionNodesMax;
/** A sequence may be as long as a program. */
const SQL_LENGTH_MAX = PROGRAM_LIMITS.programSizeMax;

type FieldName =
  | ("args" | "batch" | "baton" | "cond" | "condition" | "conds" | "name" | "named_args")
  | ("requests" | "sql" | "sql_id" | "step" | "steps" | "stmt" | "type" | "value" | "want_rows");
type Fields = { readonly [Name in FieldName]?: unknown };

const NO_ARGS: readonly SqlValue[] = [];
const NO_NAMED_ARGS: Statement["namedArgs"] = [];

/** The body of `pipeline`, parsed by `JSON.parse`. Throws MALFORMED naming the field. */
export function parsePipeline(body: unknown): PipelineRequest {
  const fields = fieldsOf(body, "body");
  const requests = listOf(fields.requests, "requests", REQUEST_COUNT_MAX);
  return {
    baton: parseBaton(fields.baton),
    requests: requests.map((request, i) => parseRequest(request, `requests[${i}]`)),
  };
}

/** The body of `cursor`, parsed by `JSON.parse`. Throws MALFORMED naming the field. */
export function parseCursor(body: unknown): CursorRequest {
  const fields = fieldsOf(body, "body");
  return { baton: parseBaton(fields.baton), steps: parseBatch(fields.batch, "batch") };
}

function parseBaton(baton: unknown): string | null {
  // Some clients write an empty text where others leave the field out.
  if (baton === undefined || baton === null || baton === "") return null;
  return textOf(baton, "baton", BATON_LENGTH_MAX);
}

function parseRequest(value: unknown, path: string): StreamRequest {
  const fields = fieldsOf(value, path);
  const type = fields.type;
  switch (type) {
    case "execute":
      return { type, stmt: parseStatement(fields.stmt, `${path}.stmt`) };
    case "batch":
      return { type, steps: parseBatch(fields.batch, `${path}.batch`) };
    case "sequence":
    case "describe":
      return { type, sql: parseSqlRef(fields, path) };
    case "store_sql":
      return { type, sqlId: parseSqlId(fields, path), sql: parseSql(fields, path) };
    case "close_sql":
      return { type, sqlId: parseSqlId(fields, path) };
    case "close":
    case "get_autocommit":
      return { type };
    default:
      throw malformed(
        `${path}.type`,
        "close, execute, batch, sequence, describe, store_sql, close_sql or get_autocommit",
        type,
      );
  }
}

function parseBatch(value: unknown, path: string): StepRef[] {
  const steps = listOf(fieldsOf(value, path).steps, `${path}.steps`, STEP_COUNT_MAX);
  return steps.map((step, i) => {
    const stepPath = `${path}.steps[${i}]`;
    const fields = fieldsOf(step, stepPath);
    const condition = fields.condition;
    return {
      stmt: parseStatement(fields.stmt, `${stepPath}.stmt`),
      condition:
        condition === undefined || condition === null
          ? null
          : parseCondition(condition, `${stepPath}.condition`, { step: i, depth: 0 }),
    };
  });
}

function parseCondition(
  value: unknown,
  path: string,
  at: { readonly step: number; readonly depth: number },
): Condition {
  if (at.depth >= CONDITION_DEPTH_MAX) {
    throw malformed(path, `conditions at most ${CONDITION_DEPTH_MAX} deep`, value);
  }
  const fields = fieldsOf(value, path);
  const type = fields.type;
  const inner = { step: at.step, depth: at.depth + 1 };
  switch (type) {
    case "ok":
    case "error":
      return { type, step: parseEarlierStep(fields.step, `${path}.step`, at.step) };
    case "not":
      return { type, cond: parseCondition(fields.cond, `${path}.cond`, inner) };
    case "and":
    case "or":
      return {
        type,
        conds: listOf(fields.conds, `${path}.conds`, CONDITION_COUNT_MAX).map((cond, i) =>
          parseCondition(cond, `${path}.conds[${i}]`, inner),
        ),
      };
    case "is_autocommit":
      return { type };
    default:
      throw malformed(`${path}.type`, "ok, error, not, and, or or is_autocommit", type);
  }
}

function parseEarlierStep(step: unknown, path: string, own: number): number {
  if (typeof step === "number" && Number.isInteger(step) && step >= 0 && step < own) return step;
  throw malformed(path, `the index of an earlier step (below ${own})`, step);
}

function parseStatement(value: unknown, path: string): StatementRef {
  const fields = fieldsOf(value, path);
  const ref = parseSqlRef(fields, path);
  const wantRows = fields.want_rows;
  if (wantRows !== undefined && wantRows !== null && typeof wantRows !== "boolean") {
    throw malformed(`${path}.want_rows`, "true or false", wantRows);
  }
  return {
    sqlId: "sqlId" in ref ? ref.sqlId : null,
    statement: {
      sql: "sql" in ref ? ref.sql : "",
      args: parseArgs(fields.args, `${path}.args`),
      namedArgs: parseNamedArgs(fields.named_args, `${path}.named_args`),
      wantRows: wantRows !== false,
    },
  };
}

function parseArgs(value: unknown, path: string): readonly SqlValue[] {
  if (value === undefined || value === null) return NO_ARGS;
  const args = listOf(value, path, ARG_COUNT_MAX);
  if (args.length === 0) return NO_ARGS;
  return args.map((arg, i) => decodeValue(arg, `${path}[${i}]`));
}

function parseNamedArgs(value: unknown, path: string): Statement["namedArgs"] {
  if (value === undefined || value === null) return NO_NAMED_ARGS;
  const args = listOf(value, path, ARG_COUNT_MAX);
  if (args.length === 0) return NO_NAMED_ARGS;
  return args.map((arg, i) => {
    const fields = fieldsOf(arg, `${path}[${i}]`);
    return [
      textOf(fields.name, `${path}[${i}].name`, ARG_NAME_LENGTH_MAX),
      decodeValue(fields.value, `${path}[${i}].value`),
    ] as const;
  });
}

function parseSqlRef(fields: Fields, path: string): SqlRef {
  const hasSql = fields.sql !== undefined && fields.sql !== null;
  const hasId = fields.sql_id !== undefined && fields.sql_id !== null;
  if (hasSql === hasId) throw malformed(path, "either `sql` or `sql_id`", fields.sql);
  return hasSql ? { sql: parseSql(fields, path) } : { sqlId: parseSqlId(fields, path) };
}

function parseSql(fields: Fields, path: string): string {
  return textOf(fields.sql, `${path}.sql`, SQL_LENGTH_MAX);
}

function parseSqlId(fields: Fields, path: string): number {
  const id = fields.sql_id;
  if (typeof id === "number" && (id | 0) === id) return id;
  throw malformed(`${path}.sql_id`, "a 32-bit integer", id);
}

function textOf(value: unknown, path: string, lengthMax: number): string {
  if (typeof value === "string" && value.length <= lengthMax) return value;
  throw malformed(path, `text of at most ${lengthMax} characters`, value);
}

function listOf(value: unknown, path: string, countMax: number): readonly unknown[] {
  if (Array.isArray(value) && value.length <= countMax) return value;
  throw malformed(path, `a list of at most ${countMax}`, value);
}

function fieldsOf(value: unknown, path: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw malformed(path, "an object", value);
}
