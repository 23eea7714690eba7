/** What a gateway needs of a replicated shard: the store loop implements it, on every replica. */

import type { LogIndex } from "../base/index.ts";
import type { Request } from "../domain/replication/index.ts";
import type { Program, ProgramResult, SqlRole } from "../domain/sql/index.ts";

/** `strong` is linearizable, `bounded` may be `maxStaleMs` old, `local` answers with what this node has. */
export type Consistency =
  | { readonly level: "strong" }
  | { readonly level: "bounded"; readonly maxStaleMs: number }
  | { readonly level: "local" };

export interface ReadOptions {
  readonly role: SqlRole;
  readonly consistency: Consistency;
  readonly deadlineMs: number;
}

/** An interactive transaction. Calls do not overlap. It ends when a result says `autocommit`, or by `close`. */
export interface SqlTransaction {
  step(program: Program, deadlineMs: number): Promise<ProgramResult>;
  /** Rolls back whatever is still open. */
  close(): Promise<void>;
}

export interface SqlService {
  /**
   * Applies a request exactly once, wherever the leader is, retrying for 10 s with the same id. Statement errors
   * are in the result. Rejects with NO_QUORUM (certainly not applied), OUTCOME_UNKNOWN, OVERLOADED, READ_ONLY
   * (this node may not write) or DISK_FULL.
   */
  write(request: Request): Promise<ProgramResult>;

  /** Rejects with NO_QUORUM (strong), UNREACHABLE (bounded: too stale) or OVERLOADED. */
  read(program: Program, options: ReadOptions): Promise<ProgramResult>;

  /**
   * Starts an interactive transaction; the program's first step is its BEGIN. `write` holds the leader's batch,
   * first come first served; `read` holds a snapshot here. Statements after it go through `step`.
   */
  begin(mode: "read" | "write", role: SqlRole): Promise<SqlTransaction>;

  appliedIndex(): LogIndex;
}
