/** Prepared statements by role and text; all are dropped when the schema changes. */

import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import {
  type Classification,
  type Column,
  classifyStatement,
  isReadOnlyKind,
  type SqlRole,
  type SqlValue,
  type Statement,
  splitStatements,
  tokens,
  tokenText,
} from "../../domain/sql/index.ts";

/** A cache entry's text may be large: few of those are kept. */
const CACHED_COUNT_MAX = 1_000;
const CACHED_SQL_LENGTH_MAX = 16_384;
const CLASSIFIED_COUNT_MAX = 4_000;

export interface PreparedStatement {
  readonly statement: StatementSync;
  readonly columns: readonly Column[];
  /** The names of its named parameters by position; null for a plain "?" or "?1". Empty when none is named. */
  readonly parameterNames: readonly (string | null)[];
}

export interface StatementPlan {
  readonly classification: Classification;
  readonly readOnly: boolean;
  /** False when the text holds more than one statement. */
  readonly isSingle: boolean;
}

/** What statements are, by their text alone: valid whatever the schema. */
export class PlanCache {
  readonly #plans = new Map<string, StatementPlan>();

  plan(sql: string): StatementPlan {
    const known = this.#plans.get(sql);
    if (known !== undefined) return known;
    const classification = classifyStatement(sql);
    const plan = {
      classification,
      readOnly: isReadOnlyKind(classification.kind),
      isSingle: splitStatements(sql).length <= 1,
    };
    if (sql.length <= CACHED_SQL_LENGTH_MAX) {
      if (this.#plans.size >= CLASSIFIED_COUNT_MAX) this.#plans.clear();
      this.#plans.set(sql, plan);
    }
    return plan;
  }
}

export class StatementCache {
  readonly #db: DatabaseSync;
  readonly #byRole: Record<SqlRole, Map<string, PreparedStatement>> = {
    read: new Map(),
    write: new Map(),
    system: new Map(),
  };

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Compiles under the authorizer's present context, which must be that of `role`. Throws SQLite's error. */
  prepare(sql: string, role: SqlRole): PreparedStatement {
    const cache = this.#byRole[role];
    const known = cache.get(sql);
    if (known !== undefined) {
      // Least recently used first.
      if (cache.size > CACHED_COUNT_MAX / 2) {
        cache.delete(sql);
        cache.set(sql, known);
      }
      return known;
    }
    const prepared = this.#compile(sql);
    if (sql.length <= CACHED_SQL_LENGTH_MAX) {
      if (cache.size >= CACHED_COUNT_MAX) {
        const [oldest] = cache.keys();
        if (oldest !== undefined) cache.delete(oldest);
      }
      cache.set(sql, prepared);
    }
    return prepared;
  }

  clear(): void {
    for (const cache of Object.values(this.#byRole)) cache.clear();
  }

  #compile(sql: string): PreparedStatement {
    const statement = this.#db.prepare(sql);
    statement.setAllowBareNamedParameters(false);
    statement.setAllowUnknownNamedParameters(true);
    const columns = statement.columns().map(({ name, type }) => ({ name, decltype: type }));
    return { statement, columns, parameterNames: namedParameters(sql) };
  }
}

/** Positions as SQLite numbers them: a name seen before keeps its position. */
function namedParameters(sql: string): readonly (string | null)[] {
  const names: (string | null)[] = [];
  for (const token of tokens(sql)) {
    if (token.kind !== "parameter") continue;
    const text = tokenText(sql, token);
    if (text === "?") names.push(null);
    else if (text.startsWith("?")) {
      const position = Number(text.slice(1));
      while (names.length < position && names.length < 32_766) names.push(null);
    } else if (!names.includes(text)) names.push(text);
  }
  return names.every((name) => name === null) ? [] : names;
}

/** The first may be names; node:sqlite's types ask for them always. */
export type BoundArguments = [Record<string, SQLInputValue>, ...SQLInputValue[]];

/** The arguments as node:sqlite takes them: names first, then what binds to plain "?". */
export function bindings(prepared: PreparedStatement, statement: Statement): BoundArguments {
  const { parameterNames } = prepared;
  if (parameterNames.length === 0) return statement.args as unknown as BoundArguments;
  const named: Record<string, SqlValue> = {};
  const plain: SqlValue[] = [];
  for (const [position, name] of parameterNames.entries()) {
    const value = statement.args[position] ?? null;
    if (name === null) plain.push(value);
    else named[name] = value;
  }
  for (const [name, value] of statement.namedArgs) {
    const isPrefixed = /^[:@$]/.test(name);
    for (const known of isPrefixed ? [name] : [`:${name}`, `@${name}`, `$${name}`]) {
      if (parameterNames.includes(known)) named[known] = value;
    }
  }
  const extra = statement.args.slice(parameterNames.length);
  return [named, ...plain, ...extra] as unknown as BoundArguments;
}
