/** Runs the requests of a pipeline on their stream, in order, each with its result: a failed one stops no other. */

import { present } from "../../base/index.ts";
import {
  CLOSE_OK,
  CLOSE_SQL_OK,
  encodeAutocommit,
  encodeBatch,
  encodeDescribe,
  encodeErrorResult,
  encodeExecute,
  hranaErrorOfSql,
  type ResponseBudget,
  SEQUENCE_OK,
  type SqlRef,
  STORE_SQL_OK,
  type StatementRef,
  type StepRef,
  type StreamRequest,
} from "../../domain/hrana/index.ts";
import {
  type Program,
  type ProgramResult,
  type Statement,
  type Step,
  splitStatements,
} from "../../domain/sql/index.ts";
import { describe } from "./describe.ts";
import { hranaErrorOf } from "./refusal.ts";
import { kindOf } from "./statement-kind.ts";
import type { Call, SqlStream } from "./stream.ts";

/** The results as JSON texts, and whether the client closed the stream. */
export interface PipelineOutcome {
  readonly results: readonly string[];
  readonly closed: boolean;
}

export async function runPipeline(
  stream: SqlStream,
  requests: readonly StreamRequest[],
  call: Call,
  budget: ResponseBudget,
): Promise<PipelineOutcome> {
  const results: string[] = [];
  let closed = false;
  for (const request of requests) {
    if (closed) {
      const message = "Cannot go on: the stream was closed by an earlier request";
      results.push(encodeErrorResult({ code: "STREAM_CLOSED", message }));
      continue;
    }
    try {
      results.push(await runRequest(stream, request, call, budget));
      closed = request.type === "close";
    } catch (error) {
      results.push(encodeErrorResult(hranaErrorOf(error)));
    }
  }
  return { results, closed };
}

async function runRequest(
  stream: SqlStream,
  request: StreamRequest,
  call: Call,
  budget: ResponseBudget,
): Promise<string> {
  switch (request.type) {
    case "execute":
      return await execute(stream, request.stmt, call, budget);
    case "batch":
      return encodeBatch((await runBatch(stream, request.steps, call)).steps, budget);
    case "sequence":
      return await runSequence(stream, request.sql, call);
    case "describe":
      return encodeDescribe(await describe(stream, stream.sqlOf(request.sql), call));
    case "store_sql":
      stream.storeSql(request.sqlId, request.sql);
      return STORE_SQL_OK;
    case "close_sql":
      stream.closeSql(request.sqlId);
      return CLOSE_SQL_OK;
    case "get_autocommit":
      return encodeAutocommit(stream.isAutocommit);
    case "close":
      await stream.close();
      return CLOSE_OK;
  }
}

async function execute(
  stream: SqlStream,
  ref: StatementRef,
  call: Call,
  budget: ResponseBudget,
): Promise<string> {
  const statement = resolve(stream, ref);
  const program: Program = { steps: [{ statement, condition: null }] };
  const { steps } = await stream.run(program, [kindOf(statement.sql)], call);
  const outcome = present(steps[0], "the outcome of an unconditional step");
  if (outcome.ok) return encodeExecute(outcome.result, budget);
  return encodeErrorResult(hranaErrorOfSql(outcome.error));
}

/** A batch of `pipeline` or `cursor`. */
export async function runBatch(
  stream: SqlStream,
  refs: readonly StepRef[],
  call: Call,
): Promise<ProgramResult> {
  const steps = refs.map(({ stmt, condition }) => ({
    statement: resolve(stream, stmt),
    condition,
  }));
  return await stream.run(
    { steps },
    steps.map(({ statement }) => kindOf(statement.sql)),
    call,
  );
}

async function runSequence(stream: SqlStream, ref: SqlRef, call: Call): Promise<string> {
  const texts = splitStatements(stream.sqlOf(ref));
  const steps = texts.map(
    (sql, i): Step => ({
      statement: { sql, args: [], namedArgs: [], wantRows: false },
      condition: i === 0 ? null : { type: "ok", step: i - 1 },
    }),
  );
  const result = await stream.run({ steps }, texts.map(kindOf), call);
  for (const outcome of result.steps) {
    if (outcome?.ok === false) return encodeErrorResult(hranaErrorOfSql(outcome.error));
  }
  return SEQUENCE_OK;
}

function resolve(stream: SqlStream, { sqlId, statement }: StatementRef): Statement {
  return sqlId === null ? statement : { ...statement, sql: stream.sqlOf({ sqlId }) };
}
