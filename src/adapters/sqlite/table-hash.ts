/** SHA-256 over one table's rows in key order: equal on replicas that hold the same rows. */

import { createHash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { MyceliumError } from "../../base/index.ts";
import { ENGINE_TABLES, PackWriter, type SqlValue } from "../../domain/sql/index.ts";

const CHUNK_SIZE_BYTES = 65_536;

const TABLES = `SELECT name FROM pragma_table_list
  WHERE schema = 'main' AND type IN ('table', 'shadow') AND name NOT IN ('sqlite_schema') ORDER BY name`;

type ColumnRow = readonly [
  cid: bigint,
  name: string,
  type: string,
  nn: bigint,
  d: SqlValue,
  pk: bigint,
];

/** What tables, indexes, triggers and views there are. Pages are numbered by each replica for itself. */
const SCHEMA = "sqlite_schema";
const SCHEMA_ROWS = `SELECT type, name, tbl_name, sql FROM sqlite_schema
  WHERE lower(tbl_name) NOT IN (${ENGINE_TABLES.map((name) => `'${name}'`)}) ORDER BY name, type`;

/** The schema, ordinary tables and the shadow tables of virtual ones, but for the engine's own. */
export function listTables(db: DatabaseSync): string[] {
  const rows = db.prepare(TABLES).all() as unknown as [string][];
  const names = rows.map(([name]) => name);
  return [SCHEMA, ...names.filter((name) => !ENGINE_TABLES.includes(name.toLowerCase()))];
}

/** Throws BAD_ARGUMENT when there is no such table. PERF: reads the whole table. */
export function hashTable(db: DatabaseSync, table: string): Uint8Array {
  const steps = hashSteps(db, table);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** The same in steps of about 64 KiB of rows, within one read transaction of the caller's. */
export function* hashSteps(db: DatabaseSync, table: string): Generator<void, Uint8Array, void> {
  if (!listTables(db).includes(table)) {
    throw new MyceliumError("BAD_ARGUMENT", `Cannot hash table ${table}: there is none`);
  }
  const hash = createHash("sha256");
  let writer = new PackWriter();
  for (const row of db.prepare(orderedSelect(db, table)).iterate()) {
    writer.values(row as unknown as SqlValue[]);
    if (writer.sizeBytes < CHUNK_SIZE_BYTES) continue;
    hash.update(writer.finish());
    writer = new PackWriter();
    yield;
  }
  hash.update(writer.finish());
  return new Uint8Array(hash.digest());
}

function orderedSelect(db: DatabaseSync, table: string): string {
  if (table === SCHEMA) return SCHEMA_ROWS;
  const columns = db.prepare(`PRAGMA table_info(${quote(table)})`).all() as unknown as ColumnRow[];
  const names = columns.map(([, name]) => name.toLowerCase());
  const [listed] = db
    .prepare("SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?")
    .all(table) as unknown as [bigint][];
  const key = columns.filter((column) => column[5] > 0n).sort((a, b) => Number(a[5] - b[5]));
  const rowid = ["rowid", "oid", "_rowid_"].find((alias) => !names.includes(alias));
  const hasRowid = listed?.[0] === 0n && rowid !== undefined;
  if (hasRowid) return `SELECT ${rowid}, * FROM ${quote(table)} ORDER BY ${rowid}`;
  const order = (key.length > 0 ? key : columns).map(([, name]) => quote(name)).join(", ");
  return `SELECT * FROM ${quote(table)} ORDER BY ${order}`;
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
