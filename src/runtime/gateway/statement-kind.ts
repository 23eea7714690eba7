/** What the gateway must know of a statement, remembered for the texts that come often. */

import { classifyPragma, classifyStatement, splitStatements } from "../../domain/sql/index.ts";
import type { StatementKind } from "./plan.ts";
import { RequestFailure } from "./refusal.ts";

const REMEMBERED_MAX = 1_000;
const REMEMBERED_LENGTH_MAX = 8_192;
const remembered = new Map<string, StatementKind>();

/** Throws RequestFailure unless the text holds exactly one statement. */
export function kindOf(sql: string): StatementKind {
  const known = remembered.get(sql);
  if (known !== undefined) return known;
  const kind = judge(sql);
  if (sql.length > REMEMBERED_LENGTH_MAX) return kind;
  if (remembered.size >= REMEMBERED_MAX) remembered.clear();
  remembered.set(sql, kind);
  return kind;
}

function judge(sql: string): StatementKind {
  if (sql.includes(";") && splitStatements(sql).length > 1) {
    throw new RequestFailure(
      "SQL_MANY_STATEMENTS",
      "Cannot run the SQL: it holds more than one statement; send them as a batch or a sequence",
    );
  }
  const found = classifyStatement(sql);
  switch (found.kind) {
    case "empty":
      throw new RequestFailure("SQL_NO_STATEMENT", "Cannot run the SQL: it holds no statement");
    case "write":
    case "schema":
      return { type: "write" };
    case "begin":
      return { type: "begin", mode: modeOf(found.mode) };
    case "commit":
    case "rollback":
      return { type: found.kind };
    case "savepoint":
      return { type: "begin", mode: "deferred" };
    case "release":
      return { type: "release" };
    case "pragma":
      return { type: setsSomething(found.name, found.argument) ? "write" : "read" };
    case "read":
    case "explain":
    case "rollback_to":
    case "other":
      // Others are no SQL or nothing that may be done here: a reader refuses them at the least cost.
      return { type: "read" };
  }
}

function modeOf(mode: "deferred" | "immediate" | "exclusive" | "readonly") {
  if (mode === "readonly") return "read";
  return mode === "deferred" ? "deferred" : "write";
}

function setsSomething(name: string, argument: string | null): boolean {
  const effect = classifyPragma(name, argument);
  return effect === "session" || effect === "schema";
}
