/**
 * SQLite's authorizer is not told the new name of a renamed table: around a schema change the names that are the
 * store's own are compared instead.
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { SqlError, SqlRole } from "../../domain/sql/index.ts";
import { SQLITE_AUTH, sqlError } from "./sql-error.ts";

const NAMES = `SELECT group_concat(name, ' ') FROM
  (SELECT name FROM sqlite_schema WHERE name LIKE '\\_mycelium\\_%' ESCAPE '\\' ORDER BY name)`;

export class ReservedNames {
  readonly #names: StatementSync;

  constructor(db: DatabaseSync) {
    this.#names = db.prepare(NAMES);
  }

  /** The names there are just now, as one text. */
  list(): string {
    const row = this.#names.get() as unknown as [string | null];
    return row[0] ?? "";
  }

  /** The error when a client's statement made or removed such a name; null when none did. */
  violation(role: SqlRole, before: string): SqlError | null {
    if (role === "system" || this.list() === before) return null;
    return sqlError(
      SQLITE_AUTH,
      "not authorized: names that start with _mycelium_ are the store's own",
    );
  }
}
