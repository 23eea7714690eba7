/** The statements of the chaos workload, and what they mean to the checker of test/sim. */

import type { SqlStatement } from "../cluster/sql-client.ts";

export const SCHEMA: readonly SqlStatement[] = [
  {
    sql: `CREATE TABLE IF NOT EXISTS ins
      (n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, body TEXT NOT NULL)`,
  },
  { sql: "CREATE INDEX IF NOT EXISTS ins_id ON ins (id)" },
  { sql: "CREATE TABLE IF NOT EXISTS reg (k TEXT PRIMARY KEY, v TEXT NOT NULL) WITHOUT ROWID" },
];

/** A row that tells by itself whether it is whole. */
export function bodyOf(id: string): string {
  return Bun.hash.crc32(id).toString(16).padStart(8, "0").repeat(8);
}

export function insert(id: string): SqlStatement {
  return { sql: "INSERT INTO ins (id, body) VALUES (?, ?)", args: [id, bodyOf(id)] };
}

const REGISTER_SQL: Readonly<Record<string, string>> = {
  get: "SELECT v FROM reg WHERE k = ?1",
  set: `INSERT INTO reg (k, v) VALUES (?1, ?2) ON CONFLICT (k) DO UPDATE SET v = excluded.v
    RETURNING v`,
  append: `INSERT INTO reg (k, v) VALUES (?1, ?2)
    ON CONFLICT (k) DO UPDATE SET v = CASE v WHEN '-' THEN excluded.v ELSE v || ',' || excluded.v END
    RETURNING v`,
  cas: `INSERT INTO reg (k, v) VALUES (?1, CASE ?2 WHEN '-' THEN ?3 ELSE '-' END)
    ON CONFLICT (k) DO UPDATE SET v = CASE v WHEN ?2 THEN ?3 ELSE v END RETURNING v`,
};

/** A statement of the model, "cas KEY OLD NEW", as SQL. Each answers the register's value after it. */
export function register(statement: string): SqlStatement {
  const [verb = "", ...args] = statement.split(" ");
  const sql = REGISTER_SQL[verb];
  if (sql === undefined) throw new Error(`no statement ${verb}`);
  return { sql, args };
}
