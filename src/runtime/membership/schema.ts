/**
 * The tables of membership in shard `system`. Their constraints are what makes an admission safe under races: a use
 * too many, an expired token, a known node or a full network break a constraint, and the whole program is undone.
 */

import { atomicProgram, type Program, statement } from "../../domain/sql/index.ts";

const SCHEMA_VERSION = "1";

const TABLES = [
  `CREATE TABLE IF NOT EXISTS _mycelium_settings (
    name TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS _mycelium_nodes (
    node_id TEXT PRIMARY KEY NOT NULL,
    class TEXT NOT NULL,
    role TEXT,
    tier INTEGER NOT NULL,
    state TEXT NOT NULL,
    replica_life INTEGER NOT NULL,
    joined_at_ms INTEGER NOT NULL,
    announcement BLOB NOT NULL,
    announced_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS _mycelium_tokens (
    token_key TEXT PRIMARY KEY NOT NULL,
    voucher BLOB NOT NULL,
    sponsor_grant BLOB NOT NULL,
    uses_left INTEGER NOT NULL CHECK (uses_left >= 0),
    expires_at_ms INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS _mycelium_grants (
    node_id TEXT PRIMARY KEY NOT NULL,
    token_key TEXT NOT NULL,
    grant_chain BLOB NOT NULL
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS _mycelium_revoked (
    node_id TEXT PRIMARY KEY NOT NULL,
    reason TEXT NOT NULL,
    revoked_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID`,
] as const;

/** Makes the tables; harmless when they are there. */
export function schemaProgram(): Program {
  return atomicProgram(
    ...TABLES.map((sql) => statement(sql)),
    statement(
      "INSERT INTO _mycelium_settings (name, value) VALUES ('schema_version', ?1) ON CONFLICT DO NOTHING",
      SCHEMA_VERSION,
    ),
  );
}
