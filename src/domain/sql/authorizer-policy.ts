/**
 * What SQLite's authorizer answers, as data: per action of a statement, who may take it. The engine asks once per
 * action while a statement is compiled. Source: sqlite.org/c3ref/c_alter_table.html (action codes).
 */

import { classifyFunction, classifyModule } from "./function-policy.ts";
import { classifyPragma } from "./pragma-policy.ts";
import type { SqlRole } from "./program.ts";

/** Tables of the store itself start so. */
export const RESERVED_PREFIX = "_mycelium_";
/** Kept by the engine alone; not even the agent writes them by SQL. */
export const ENGINE_TABLES: readonly string[] = ["_mycelium_position", "_mycelium_result"];

export interface AuthorizerAction {
  readonly code: number;
  readonly arg1: string | null;
  readonly arg2: string | null;
  /** The schema that is acted on: "main", "temp"; null or left out where there is none. */
  readonly database?: string | null;
}

export interface AuthorizerContext {
  readonly role: SqlRole;
  /** True while a statement is compiled that cannot change anything. */
  readonly readOnly: boolean;
}

export type Verdict = null | {
  readonly code: "SQLITE_AUTH" | "SQLITE_READONLY";
  readonly reason: string;
};

const FUNCTION = 31;
const INSERT = 18;
const PRAGMA = 19;
const READ = 20;
const CREATE_TRIGGER = 7;
const CREATE_VTABLE = 29;
const DROP_VTABLE = 30;
const ALTER_TABLE = 26;

/** They change no rows but statistics and order, which rest on the data alone. */
const MAINTENANCE: ReadonlySet<number> = new Set([27, 28]);
const ROW_WRITES: ReadonlySet<number> = new Set([9, 18, 23]);
const ALWAYS_ALLOWED: ReadonlySet<number> = new Set([21, 33]);
/** Index, table, trigger, view; alter, reindex, analyze. */
const SCHEMA_WRITES: ReadonlySet<number> = new Set([1, 2, 7, 8, 10, 11, 16, 17, 26, 27, 28]);
const TEMPORARY: ReadonlySet<number> = new Set([3, 4, 5, 6, 12, 13, 14, 15]);
const REFUSED: ReadonlyMap<number, string> = new Map([
  [
    22,
    "transactions are kept by the store: send BEGIN, COMMIT and ROLLBACK as statements of their own",
  ],
  [32, "savepoints are kept by the store: send them as statements of their own"],
  [24, "ATTACH is not available: a network has one database"],
  [25, "DETACH is not available: a network has one database"],
]);

/** Null allows; else the error and the reason. */
export function authorize(action: AuthorizerAction, context: AuthorizerContext): Verdict {
  const { code, arg1, arg2 } = action;
  if (ALWAYS_ALLOWED.has(code)) return null;
  if (code === READ) return readVerdict(arg1 ?? "", context);
  if (code === FUNCTION) return functionVerdict(arg2 ?? "", context);
  if (code === PRAGMA) return pragmaVerdict(arg1 ?? "", arg2, context);
  const refused = REFUSED.get(code);
  if (refused !== undefined) return denied(refused);
  // "CREATE TABLE temp.t" and "CREATE TRIGGER temp.t" are told under the codes of lasting ones.
  const isInTemp = action.database === "temp" && (code === INSERT || SCHEMA_WRITES.has(code));
  if (TEMPORARY.has(code) || isInTemp) {
    return denied("temporary tables are not available: requests share no connection");
  }
  return writeVerdict(action, context);
}

function readVerdict(table: string, context: AuthorizerContext): Verdict {
  if (isReserved(table) && context.role !== "system")
    return denied(`table ${table} is the store's own`);
  const module = classifyModule(table);
  if (module === "forbidden" || (module === "readable" && !context.readOnly)) {
    return denied(`${table} differs between replicas: read it with SELECT, not in a write`);
  }
  return null;
}

function functionVerdict(name: string, context: AuthorizerContext): Verdict {
  const kind = classifyFunction(name);
  if (kind === "forbidden") return denied(`function ${name} is not available here`);
  if (context.readOnly || kind === "pure" || kind === "pinned" || kind === "request") return null;
  return denied(
    `function ${name} may differ between replicas: read its value with SELECT and write that`,
  );
}

function pragmaVerdict(name: string, argument: string | null, context: AuthorizerContext): Verdict {
  const effect = classifyPragma(name.toLowerCase(), argument);
  if (typeof effect === "object") return denied(effect.refused);
  if (effect === "schema" && context.role === "read") return readOnly();
  return null;
}

function writeVerdict(action: AuthorizerAction, context: AuthorizerContext): Verdict {
  const { code, arg1, arg2 } = action;
  const isRowWrite = ROW_WRITES.has(code);
  const isModule = code === CREATE_VTABLE || code === DROP_VTABLE;
  if (!isRowWrite && !isModule && !SCHEMA_WRITES.has(code)) {
    return denied(`action ${code} of SQLite is not available here`);
  }
  if (context.role === "read") return readOnly();
  if (MAINTENANCE.has(code)) return null;
  // ALTER TABLE names the schema first.
  const names = code === ALTER_TABLE || code === CREATE_TRIGGER ? [arg1, arg2] : [arg1];
  for (const name of names) {
    const verdict = name === null ? null : nameVerdict(name, context);
    if (verdict !== null) return verdict;
  }
  if (code === CREATE_VTABLE && classifyModule(arg2 ?? "") !== "stored") {
    return denied(`virtual tables of module ${arg2} are not available here`);
  }
  return null;
}

function nameVerdict(name: string, context: AuthorizerContext): Verdict {
  if (!isReserved(name)) return null;
  if (context.role === "system" && !ENGINE_TABLES.includes(name.toLowerCase())) return null;
  return denied(`names that start with ${RESERVED_PREFIX} are the store's own`);
}

export function isReserved(name: string): boolean {
  return name.toLowerCase().startsWith(RESERVED_PREFIX);
}

function denied(reason: string): Verdict {
  return { code: "SQLITE_AUTH", reason: `not authorized: ${reason}` };
}

function readOnly(): Verdict {
  return {
    code: "SQLITE_READONLY",
    reason: "attempt to write a readonly database: this token may only read",
  };
}
