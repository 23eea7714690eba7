/**
 * The rollout in shard `system`: plans, what nodes report, and the release's signed files, from which nodes without
 * Internet check the same release themselves. A plan is replaced, and a switch claimed, only on the very revision that
 * was looked at: so no grant is used that was taken back, and no leader overlooks a node that is going down.
 */

import { MyceliumError, type NodeId, type RequestId } from "../../base/index.ts";
import type { SignedPart } from "../../domain/identity/index.ts";
import {
  atomicProgram,
  blobOf,
  changedRows,
  numberOf,
  type Program,
  type ProgramResult,
  plainProgram,
  rowsOf,
  statement,
  succeeded,
  textOf,
} from "../../domain/sql/index.ts";
import { decodePlan, encodePlan, type RolloutPlan } from "../../domain/update/index.ts";
import type { ReleaseFile, SqlService } from "../../ports/index.ts";

const TABLES = [
  `CREATE TABLE IF NOT EXISTS _mycelium_update_plans (
    operation INTEGER PRIMARY KEY NOT NULL,
    revision INTEGER NOT NULL,
    digest TEXT NOT NULL,
    payload BLOB NOT NULL
  ) STRICT`,
  `CREATE TABLE IF NOT EXISTS _mycelium_update_reports (
    node_id TEXT PRIMARY KEY NOT NULL,
    seq INTEGER NOT NULL,
    payload BLOB NOT NULL,
    signature BLOB NOT NULL
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS _mycelium_update_files (
    path TEXT PRIMARY KEY NOT NULL,
    version TEXT NOT NULL,
    content BLOB NOT NULL
  ) STRICT, WITHOUT ROWID`,
] as const;
const WHAT = "the rollout";
const PLANS_KEPT = 32n;
/** A release's signed files together; they are metadata and chunk indexes. */
const FILES_SIZE_BYTES_MAX = 8_388_608;
const LATEST = "(SELECT max(operation) FROM _mycelium_update_plans)";
const PUT_REPORT = `INSERT INTO _mycelium_update_reports (node_id, seq, payload, signature)
  SELECT ?1, ?2, ?3, ?4`;
const NEWER = `ON CONFLICT (node_id) DO UPDATE SET seq = excluded.seq, payload = excluded.payload,
  signature = excluded.signature WHERE excluded.seq > seq`;

/** A node's report as it signed it. Of one node the one with the highest number counts. */
export interface SignedReport {
  readonly node: NodeId;
  readonly seq: number;
  readonly part: SignedPart;
}

/** Where in the rollout a claim or change belongs. */
export interface PlanRevision {
  readonly operation: number;
  readonly revision: number;
}

export interface RolloutRows extends PlanRevision {
  readonly plan: RolloutPlan;
  readonly reports: readonly SignedReport[];
}

export type ReadLevel = "local" | "strong";

export interface RolloutStoreOptions {
  readonly sql: SqlService;
  readonly newRequestId: () => RequestId;
  readonly readDeadlineMs: number;
}

export class RolloutStore {
  readonly #options: RolloutStoreOptions;

  constructor(options: RolloutStoreOptions) {
    this.#options = options;
  }

  /**
   * The latest plan and what nodes said up to it or later; null while there is none. As this replica has it, or
   * (`strong`) once it has all that was written before.
   */
  async read(level: ReadLevel = "local"): Promise<RolloutRows | null> {
    const result = await this.#read(
      plainProgram(
        statement("SELECT count(*) FROM sqlite_schema WHERE name = '_mycelium_update_files'"),
        statement(
          `SELECT operation, revision, payload FROM _mycelium_update_plans WHERE operation = ${LATEST}`,
        ),
        // After the plan: a claim that this revision knows of must be among them.
        statement("SELECT node_id, seq, payload, signature FROM _mycelium_update_reports"),
      ),
      level,
    );
    if (numberOf(rowsOf(result, 0, WHAT)[0]?.[0]) === 0) return null;
    const [row] = rowsOf(result, 1, WHAT);
    if (row === undefined) return null;
    const [operation, revision, payload] = row;
    return {
      operation: numberOf(operation),
      revision: numberOf(revision),
      plan: decodePlan(blobOf(payload)),
      reports: rowsOf(result, 2, WHAT).map(([node, seq, content, signature]) => ({
        node: textOf(node) as NodeId,
        seq: numberOf(seq),
        part: { payload: blobOf(content), signature: blobOf(signature) },
      })),
    };
  }

  /** Whether any plan that is remembered was for this content. */
  async wasPlanned(digest: string): Promise<boolean> {
    await this.makeTables();
    const sql = "SELECT count(*) FROM _mycelium_update_plans WHERE digest = ?1";
    const result = await this.#read(plainProgram(statement(sql, digest)));
    return numberOf(rowsOf(result, 0, WHAT)[0]?.[0]) > 0;
  }

  /** Harmless when they are there. */
  async makeTables(): Promise<void> {
    await this.#write(atomicProgram(...TABLES.map((sql) => statement(sql))), true);
  }

  /** A new plan in place of the latest. False when there is one of this operation or a later one. */
  async create(plan: RolloutPlan): Promise<boolean> {
    const operation = BigInt(plan.operation);
    const result = await this.#write(
      atomicProgram(
        statement(
          `INSERT INTO _mycelium_update_plans (operation, revision, digest, payload)
           SELECT ?1, 1, ?2, ?3 WHERE ?1 > coalesce(${LATEST}, 0)`,
          operation,
          plan.digest,
          encodePlan(plan),
        ),
        statement(
          `DELETE FROM _mycelium_update_plans WHERE operation NOT IN
           (SELECT operation FROM _mycelium_update_plans ORDER BY operation DESC LIMIT ?1)`,
          PLANS_KEPT,
        ),
      ),
      true,
    );
    return changedRows(result, 1) > 0;
  }

  /** False when somebody wrote it meanwhile: look again. */
  async replace(plan: RolloutPlan, { operation, revision }: PlanRevision): Promise<boolean> {
    const sql = `UPDATE _mycelium_update_plans SET payload = ?3, revision = revision + 1
      WHERE operation = ?1 AND revision = ?2 AND operation = ${LATEST}`;
    const args = [BigInt(operation), BigInt(revision), encodePlan(plan)] as const;
    return changedRows(await this.#write(plainProgram(statement(sql, ...args)), false), 0) > 0;
  }

  async report({ node, seq, part }: SignedReport): Promise<void> {
    const sql = `${PUT_REPORT} WHERE true ${NEWER}`;
    const args = [node, BigInt(seq), part.payload, part.signature] as const;
    await this.#write(plainProgram(statement(sql, ...args)), false);
  }

  /** A report with which a node goes down; false when the plan is not any more what the node looked at. */
  async claim(report: SignedReport, { operation, revision }: PlanRevision): Promise<boolean> {
    const { node, seq, part } = report;
    const isLatest = `operation = ?5 AND revision = ?6 AND operation = ${LATEST}`;
    const result = await this.#write(
      atomicProgram(
        statement(
          `${PUT_REPORT} WHERE EXISTS (SELECT 1 FROM _mycelium_update_plans WHERE ${isLatest}) ${NEWER}`,
          node,
          BigInt(seq),
          part.payload,
          part.signature,
          BigInt(operation),
          BigInt(revision),
        ),
        statement(
          `UPDATE _mycelium_update_plans SET revision = revision + 1
           WHERE operation = ?1 AND revision = ?2`,
          BigInt(operation),
          BigInt(revision),
        ),
      ),
      true,
    );
    return changedRows(result, 1) > 0;
  }

  /** Replaces what was kept of releases. Throws TOO_LARGE. */
  async putFiles(version: string, files: readonly ReleaseFile[]): Promise<void> {
    const sizeBytes = files.reduce((sum, { content }) => sum + content.length, 0);
    if (sizeBytes > FILES_SIZE_BYTES_MAX) {
      throw new MyceliumError(
        "TOO_LARGE",
        `Cannot keep the signed files of ${version}: found ${sizeBytes} bytes, needed at most ${FILES_SIZE_BYTES_MAX}`,
      );
    }
    const puts = files.map(({ path, content }) =>
      statement(
        "INSERT OR REPLACE INTO _mycelium_update_files (path, version, content) VALUES (?1, ?2, ?3)",
        path,
        version,
        content,
      ),
    );
    await this.makeTables();
    await this.#write(
      atomicProgram(statement("DELETE FROM _mycelium_update_files"), ...puts),
      true,
    );
  }

  /** What was kept of releases, by path; null for a path that is not. */
  async file(path: string): Promise<Uint8Array | null> {
    const result = await this.#read(
      plainProgram(
        statement("SELECT count(*) FROM sqlite_schema WHERE name = '_mycelium_update_files'"),
        statement("SELECT content FROM _mycelium_update_files WHERE path = ?1", path),
      ),
    );
    if (numberOf(rowsOf(result, 0, WHAT)[0]?.[0]) === 0) return null;
    const [row] = rowsOf(result, 1, WHAT);
    return row === undefined ? null : blobOf(row[0]);
  }

  #read(program: Program, level: ReadLevel = "local"): Promise<ProgramResult> {
    return this.#options.sql.read(program, {
      role: "system",
      consistency: { level },
      deadlineMs: this.#options.readDeadlineMs,
    });
  }

  async #write(program: Program, atomic: boolean): Promise<ProgramResult> {
    const { sql, newRequestId } = this.#options;
    const result = await sql.write({ id: newRequestId(), role: "system", program });
    return succeeded(result, atomic, "record the rollout");
  }
}
