/**
 * The digest of a batch's effects, which all replicas must agree on: the change set, each statement's outcome, and
 * AUTOINCREMENT's counters. A batch that changes the schema is digested by the schema it leads to instead, because
 * SQLite's session cannot follow DROP and RENAME.
 */

import { createHash } from "node:crypto";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { PackWriter, type SqlValue, type StepOutcome } from "../../domain/sql/index.ts";
import { hashChangeset } from "./change-records.ts";

const SCHEMA_SQL = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name";
const SEQUENCE_SQL = "SELECT name, seq FROM sqlite_sequence ORDER BY name";
const HAS_SEQUENCE_SQL = "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'";

export class BatchDigest {
  readonly #db: DatabaseSync;
  readonly #hasSequence: StatementSync;
  #sequence: StatementSync | null = null;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#hasSequence = db.prepare(HAS_SEQUENCE_SQL);
  }

  /** `changeset` is null for a batch that changed the schema. */
  digest(changeset: Uint8Array | null, outcomes: readonly (readonly StepOutcome[])[]): Uint8Array {
    const hash = createHash("sha256");
    const writer = new PackWriter();
    writer.u8(changeset === null ? 1 : 0);
    for (const steps of outcomes) writeOutcomes(writer, steps);
    this.#writeSequence(writer);
    if (changeset === null) this.#writeSchema(writer);
    hash.update(writer.finish());
    if (changeset !== null) hashChangeset(changeset, hash);
    return new Uint8Array(hash.digest());
  }

  /** The table appears with the first AUTOINCREMENT and never goes. */
  schemaChanged(): void {
    this.#sequence = null;
  }

  #writeSequence(writer: PackWriter): void {
    if (this.#sequence === null) {
      if (this.#hasSequence.get() === undefined) return;
      this.#sequence = this.#db.prepare(SEQUENCE_SQL);
    }
    writeRows(writer, this.#sequence);
  }

  #writeSchema(writer: PackWriter): void {
    writeRows(writer, this.#db.prepare(SCHEMA_SQL));
    writeRows(writer, this.#db.prepare("PRAGMA user_version"));
    writeRows(writer, this.#db.prepare("PRAGMA application_id"));
  }
}

/** Codes, not messages: those may be worded anew by another release of SQLite. */
function writeOutcomes(writer: PackWriter, steps: readonly StepOutcome[]): void {
  writer.varint(steps.length);
  for (const outcome of steps) {
    writer.u8(outcome === null ? 0 : outcome.ok ? 1 : 2);
    if (outcome?.ok === true) {
      writer.varint(outcome.result.affectedRowCount);
      writer.value(outcome.result.lastInsertRowid);
    } else if (outcome !== null) writer.varint(outcome.error.extendedCode);
  }
}

function writeRows(writer: PackWriter, statement: StatementSync): void {
  for (const row of statement.all() as unknown as SqlValue[][]) writer.values(row);
}
