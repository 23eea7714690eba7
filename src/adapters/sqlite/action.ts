/** Statements of the engine's own that give nothing back. */

import type { DatabaseSync, SQLInputValue } from "node:sqlite";

export type Action = (...args: SQLInputValue[]) => void;

/** PERF: compiled once, and stepped by `get`: `run` would make an object and two integers that nobody reads. */
export function prepareAction(db: DatabaseSync, sql: string): Action {
  const statement = db.prepare(sql);
  return (...args) => {
    statement.get(...args);
  };
}
