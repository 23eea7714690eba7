/** For tests of this folder: the guard compiled once per process, engines in directories of their own. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildGuard } from "../../../build/native.ts";
import { asLogIndex, asRequestId } from "../../base/index.ts";
import type { BatchContext, Request } from "../../domain/replication/index.ts";
import type { Condition, SqlRole, SqlValue, Step, StepOutcome } from "../../domain/sql/index.ts";
import type { BatchOutcome } from "../../ports/index.ts";
import type { ExecutedBatch } from "./call-codec.ts";
import { openConnection } from "./connection.ts";
import { hashTable, listTables } from "./table-hash.ts";
import { WriterEngine } from "./writer-engine.ts";

const directory = mkdtempSync(join(tmpdir(), "mycelium-sqlite-"));
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));

export const GUARD_PATH = join(directory, "guard.so");
await buildGuard(GUARD_PATH);

export const START_MS = 1_700_000_000_000;
const DEADLINE_MS = 2_000;

let nextName = 1;
let nextRequest = 1;

export function freshDirectory(): string {
  return mkdtempSync(join(directory, `shard-${nextName++}-`));
}

export function freshPath(): string {
  return join(freshDirectory(), "1.sqlite");
}

export function step(sql: string, args: readonly SqlValue[] = [], condition?: Condition): Step {
  return {
    statement: { sql, args, namedArgs: [], wantRows: true },
    condition: condition ?? null,
  };
}

export function request(steps: readonly Step[], role: SqlRole = "write", id?: string): Request {
  return { id: asRequestId(id ?? `request-${nextRequest++}`), role, program: { steps } };
}

export function sql(...statements: string[]): Request {
  return request(statements.map((text) => step(text)));
}

/** One replica: executes as leader, or applies what another one logged. */
export class Replica {
  readonly path = freshPath();
  readonly engine: WriterEngine;
  readonly log: ExecutedBatch[] = [];
  readonly digests: Uint8Array[] = [];
  #tick = 0;

  constructor() {
    this.engine = this.open();
  }

  open(): WriterEngine {
    return new WriterEngine({
      path: this.path,
      guardPath: GUARD_PATH,
      cacheSizeBytes: 1_048_576,
      reserveBytes: 0,
    });
  }

  context(advanceMs = 1_000): BatchContext {
    this.#tick += advanceMs;
    const seed = new Uint8Array(16).fill(this.#tick / 1_000);
    return { timeMs: START_MS + this.#tick, seed };
  }

  /** Runs a batch as the store loop does: what needs it goes alone afterwards; effects are committed and logged. */
  lead(requests: readonly Request[], deadlineMs = DEADLINE_MS): BatchOutcome {
    const outcome = this.#runAndCommit(requests, false, deadlineMs);
    const outcomes = outcome.outcomes.map((one, i) => {
      const again = requests[i];
      if (one.kind !== "alone" || again === undefined) return one;
      return this.#runAndCommit([again], true, deadlineMs).outcomes[0] ?? one;
    });
    return { ...outcome, outcomes };
  }

  /** One request; its steps' outcomes. */
  run(one: Request): readonly StepOutcome[] {
    return this.lead([one]).outcomes[0]?.result.steps ?? [];
  }

  record(context: BatchContext, requests: readonly Request[], digest: Uint8Array): void {
    const index = asLogIndex(this.log.length + 1);
    this.engine.commit(index);
    this.log.push({ index, context, requests });
    this.digests.push(digest);
  }

  tableHashes(): Map<string, string> {
    const options = { guardPath: GUARD_PATH, readOnly: true, cacheSizeBytes: 65_536 };
    const db = openConnection(this.path, options);
    try {
      const names = [...listTables(db)];
      return new Map(names.map((name) => [name, Buffer.from(hashTable(db, name)).toString("hex")]));
    } finally {
      db.close();
    }
  }

  #runAndCommit(requests: readonly Request[], alone: boolean, deadlineMs: number): BatchOutcome {
    const context = this.context();
    const outcome = this.engine.runBatch(context, requests, { alone, deadlineMs });
    const applied = requests.filter((_, i) => outcome.outcomes[i]?.kind === "applied");
    if (applied.length > 0) this.record(context, applied, outcome.digest);
    return outcome;
  }
}

/** What a step came to, short: rows, or the error's code. */
export function brief(outcomes: readonly StepOutcome[]): unknown[] {
  return outcomes.map((outcome) => {
    if (outcome === null) return null;
    if (!outcome.ok) return outcome.error.code;
    return outcome.result.columns.length > 0
      ? outcome.result.rows
      : outcome.result.affectedRowCount;
  });
}

/** A replica that leads, with a schema. */
export function leaderWith(...schema: string[]): Replica {
  const leader = new Replica();
  for (const outcome of leader.run(sql(...schema))) {
    if (outcome?.ok !== true) throw new Error(`the schema was refused: ${JSON.stringify(outcome)}`);
  }
  return leader;
}

/** The rows of a query. */
export function rowsOf(leader: Replica, query: string): unknown {
  return brief(leader.run(sql(query)))[0];
}
