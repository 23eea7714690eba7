/**
 * A program: the statements of one request with the conditions between them, as Hrana 3's `batch` has them. It is
 * what a gateway accepts, the log carries and every replica executes. Source: the Hrana 3 specification.
 */

import type { SqlValue } from "./value.ts";

export interface Statement {
  readonly sql: string;
  /** Positional arguments, first is ?1. */
  readonly args: readonly SqlValue[];
  /** Named arguments with their prefix (":a", "@a", "$a"); a name without prefix matches any of the three. */
  readonly namedArgs: readonly (readonly [name: string, value: SqlValue])[];
  /** False when the client needs no rows: they are not kept. */
  readonly wantRows: boolean;
}

/** Whether a step runs, judged by how earlier steps (by index) ended. */
export type Condition =
  | { readonly type: "ok"; readonly step: number }
  | { readonly type: "error"; readonly step: number }
  | { readonly type: "not"; readonly cond: Condition }
  | { readonly type: "and"; readonly conds: readonly Condition[] }
  | { readonly type: "or"; readonly conds: readonly Condition[] }
  | { readonly type: "is_autocommit" };

export interface Step {
  readonly statement: Statement;
  readonly condition: Condition | null;
}

export interface Program {
  readonly steps: readonly Step[];
}

export interface Column {
  readonly name: string;
  readonly decltype: string | null;
}

/** SQLite's own error: symbolic extended code ("SQLITE_CONSTRAINT_UNIQUE"), its number (2067) and its message. */
export interface SqlError {
  readonly code: string;
  readonly extendedCode: number;
  readonly message: string;
}

export interface StatementResult {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly SqlValue[])[];
  /** Rows inserted, updated or deleted by this statement, triggers not counted. */
  readonly affectedRowCount: number;
  /** Null when the connection inserted no row in this request yet. */
  readonly lastInsertRowid: bigint | null;
}

/** Null: the step's condition did not hold. */
export type StepOutcome =
  | { readonly ok: true; readonly result: StatementResult }
  | { readonly ok: false; readonly error: SqlError }
  | null;

export interface ProgramResult {
  readonly steps: readonly StepOutcome[];
  /** False when the program left a transaction open (only inside an interactive transaction). */
  readonly autocommit: boolean;
}

/**
 * Who asks, which decides what the authorizer allows: `read` may only read, `write` may read and write user tables
 * and the schema, `system` (the agent itself) also `_mycelium_*` tables.
 */
export type SqlRole = "read" | "write" | "system";
