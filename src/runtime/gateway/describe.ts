/**
 * Describes a statement without running it: parameters from its text, columns from a query that yields no row. A
 * column name that stands twice is told apart by SQLite ("a", "a:1"), because the statement stands in a subquery.
 */

import { present } from "../../base/index.ts";
import { type DescribeResult, parameterNames } from "../../domain/hrana/index.ts";
import {
  type Column,
  classifyStatement,
  type Statement,
  splitStatements,
  tokens,
  tokenText,
} from "../../domain/sql/index.ts";
import { RequestFailure } from "./refusal.ts";
import { kindOf } from "./statement-kind.ts";
import type { Call, SqlStream } from "./stream.ts";

/** Rejects with RequestFailure, or with what the query is refused with. */
export async function describe(
  stream: SqlStream,
  sql: string,
  call: Call,
): Promise<DescribeResult> {
  const kind = kindOf(sql);
  const found = classifyStatement(sql).kind;
  const isReadonly = kind.type !== "write";
  if (!isReadonly) demandNoReturning(sql);
  const asksColumns = kind.type === "read";
  return {
    params: parameterNames(sql),
    columns: asksColumns ? await columnsOf(stream, sql, found === "read", call) : [],
    isExplain: found === "explain",
    isReadonly,
  };
}

async function columnsOf(
  stream: SqlStream,
  sql: string,
  isQuery: boolean,
  call: Call,
): Promise<readonly Column[]> {
  const text = present(splitStatements(sql)[0], "the only statement");
  const statement = nullStatement(isQuery ? `SELECT * FROM (${text}\n) LIMIT 0` : text);
  const program = { steps: [{ statement, condition: null }] };
  const { steps } = await stream.run(program, [{ type: "read" }], call);
  const outcome = present(steps[0], "the outcome of an unconditional step");
  if (outcome.ok) return outcome.result.columns;
  throw new RequestFailure(outcome.error.code, outcome.error.message);
}

/** All parameters are NULL. */
function nullStatement(sql: string): Statement {
  const names = parameterNames(sql);
  const isNamed = names.some((name) => name !== null && !name.startsWith("?"));
  if (!isNamed) return { sql, args: names.map(() => null), namedArgs: [], wantRows: false };
  const namedArgs = names.flatMap((name) => (name === null ? [] : [[name, null] as const]));
  return { sql, args: [], namedArgs, wantRows: false };
}

function demandNoReturning(sql: string): void {
  for (const token of tokens(sql)) {
    if (token.kind !== "word" || tokenText(sql, token).toLowerCase() !== "returning") continue;
    throw new RequestFailure(
      "UNSUPPORTED",
      "Cannot describe a statement with RETURNING: its columns are known once it runs",
    );
  }
}
