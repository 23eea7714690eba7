/**
 * A small deterministic database with the statement language of the simulator. One statement is one line of words:
 *
 *   get K · set K V · append K V · incr K · cas K OLD NEW ("-" is absent) · del K · random K · now K · keys
 *   fail · schema NAME (needs a transaction of its own) · begin · commit · rollback
 *
 * A key "T/K" lives in table T, others in "kv". Every function of time or chance is pinned by the batch's context.
 */

import { compareBytes, type Random, type RequestId, SeededRandom, utf8 } from "../../base/index.ts";
import type { BatchContext } from "../../domain/replication/index.ts";
import type {
  Condition,
  Program,
  ProgramResult,
  SqlError,
  StatementResult,
  StepOutcome,
} from "../../domain/sql/index.ts";

export const DEFAULT_TABLE = "kv";
const WRITES = new Set(["set", "append", "incr", "cas", "del", "random", "now", "schema"]);

export interface Readable {
  get(key: string): string | undefined;
  keys(): Iterable<string>;
}

/** Changes over something below, kept apart until they are merged or forgotten: a transaction or savepoint. */
export class Overlay implements Readable {
  readonly below: Readable;
  readonly changes = new Map<string, string | null>();

  constructor(below: Readable) {
    this.below = below;
  }

  get(key: string): string | undefined {
    const own = this.changes.get(key);
    return own === undefined ? this.below.get(key) : (own ?? undefined);
  }

  keys(): Iterable<string> {
    const keys = new Set(this.below.keys());
    for (const [key, value] of this.changes) {
      if (value === null) keys.delete(key);
      else keys.add(key);
    }
    return keys;
  }

  merge(above: Overlay): void {
    for (const [key, value] of above.changes) this.changes.set(key, value);
  }
}

/** What a program's functions see; null context: a read outside any batch. */
export interface Environment {
  readonly timeMs: number;
  readonly random: Random;
  readonly isReadOnly: boolean;
  readonly isFull: boolean;
}

/**
 * What a batch pins for its `ordinal`-th request that has effects: those without are not executed elsewhere, so they
 * must not count.
 */
export function environmentOf(
  context: BatchContext,
  ordinal: number,
  options?: { isFull: boolean },
): Environment {
  const { seed } = context;
  const word = new DataView(seed.buffer, seed.byteOffset).getUint32(0, true);
  return {
    timeMs: context.timeMs,
    random: new SeededRandom((word + ordinal) >>> 0),
    isReadOnly: false,
    isFull: options?.isFull ?? false,
  };
}

/** How a shard's programs are run. */
export interface Engine {
  /** True when a program cannot share a transaction with others. */
  needsOwnTransaction(program: Program): boolean;
  session(below: Readable, environment: Environment): EngineSession;
}

/** One program being executed; an interactive transaction feeds it several. */
export interface EngineSession {
  /** What the programs so far changed. */
  readonly root: Overlay;
  /** How many rows all statements so far changed. */
  readonly changeCount: number;
  /** Whether the client's transaction is open. */
  readonly isOpen: boolean;
  /** A program of its own: a transaction that it leaves open, as `autocommit` tells, is rolled back. */
  runWhole(program: Program): ProgramResult;
  run(program: Program): ProgramResult;
}

/** The statement language above. */
export const WORD_ENGINE: Engine = {
  needsOwnTransaction: ({ steps }) =>
    steps.some(({ statement }) => statement.sql.startsWith("schema ")),
  session: (below, environment) => new Session(below, environment),
};

class Session implements EngineSession {
  readonly root: Overlay;
  readonly #environment: Environment;
  #open: Overlay | null = null;
  #changeCount = 0;

  constructor(below: Readable, environment: Environment) {
    this.root = new Overlay(below);
    this.#environment = environment;
  }

  get changeCount(): number {
    return this.#changeCount;
  }

  get isOpen(): boolean {
    return this.#open !== null;
  }

  runWhole(program: Program): ProgramResult {
    const result = this.run(program);
    this.#open = null;
    return result;
  }

  run(program: Program): ProgramResult {
    const steps: StepOutcome[] = [];
    for (const { statement, condition } of program.steps) {
      const isWanted = condition === null || holds(condition, steps, () => this.#open === null);
      steps.push(isWanted ? this.#execute(statement.sql) : null);
    }
    return { steps, autocommit: this.#open === null };
  }

  #execute(sql: string): StepOutcome {
    const [verb = "", key = "", ...args] = sql.split(" ");
    if (verb === "begin" || verb === "commit" || verb === "rollback") return this.#control(verb);
    if (verb === "fail") return failure("SQLITE_CONSTRAINT_CHECK", 275, "CHECK constraint failed");
    if (verb === "keys") return rowsOf([...this.#view().keys()].sort());
    if (verb === "get") return rowsOf([this.#view().get(key) ?? null]);
    if (!WRITES.has(verb)) return failure("SQLITE_ERROR", 1, `near "${verb}": syntax error`);
    const { isReadOnly, isFull } = this.#environment;
    if (isReadOnly) {
      return failure("SQLITE_READONLY", 8, "attempt to write a readonly database");
    }
    if (isFull) return failure("SQLITE_FULL", 13, "database or disk is full");
    return this.#write(verb, key, args);
  }

  #control(verb: "begin" | "commit" | "rollback"): StepOutcome {
    if (verb === "begin") {
      if (this.#open !== null)
        return failure("SQLITE_ERROR", 1, "transaction within a transaction");
      this.#open = new Overlay(this.root);
      return rowsOf([]);
    }
    if (this.#open === null) return failure("SQLITE_ERROR", 1, "no transaction is active");
    if (verb === "commit") this.root.merge(this.#open);
    this.#open = null;
    return rowsOf([]);
  }

  #write(verb: string, key: string, args: readonly string[]): StepOutcome {
    const before = this.#view().get(key);
    if (verb === "cas" && (before ?? "-") !== args[0]) return affected(0, before ?? null);
    const after = this.#valueAfter(verb, before, args);
    this.#view().changes.set(key, after);
    this.#changeCount++;
    return affected(1, after);
  }

  #valueAfter(verb: string, before: string | undefined, args: readonly string[]): string | null {
    switch (verb) {
      case "append":
        return before === undefined ? (args[0] ?? "") : `${before},${args[0] ?? ""}`;
      case "incr":
        return String(Number(before ?? 0) + 1);
      case "cas":
        return args[1] ?? "";
      case "del":
        return null;
      case "random":
        return String(this.#environment.random.u32());
      case "now":
        return String(this.#environment.timeMs);
      case "schema":
        return "schema";
      default:
        return args[0] ?? "";
    }
  }

  #view(): Overlay {
    return this.#open ?? this.root;
  }
}

/** Whether a step runs, after the steps before it. */
export function holds(
  condition: Condition,
  steps: readonly StepOutcome[],
  isAutocommit: () => boolean,
): boolean {
  switch (condition.type) {
    case "ok":
      return steps[condition.step]?.ok === true;
    case "error":
      return steps[condition.step]?.ok === false;
    case "not":
      return !holds(condition.cond, steps, isAutocommit);
    case "and":
      return condition.conds.every((cond) => holds(cond, steps, isAutocommit));
    case "or":
      return condition.conds.some((cond) => holds(cond, steps, isAutocommit));
    case "is_autocommit":
      return isAutocommit();
  }
}

export function tableOf(key: string): string {
  const slash = key.indexOf("/");
  return slash < 0 ? DEFAULT_TABLE : key.slice(0, slash);
}

/** The effects of one request in one order, for digests. */
export function effectsOf(id: RequestId, session: EngineSession): string {
  const changes = [...session.root.changes].sort(([a], [b]) => compareBytes(utf8(a), utf8(b)));
  return JSON.stringify([id, session.changeCount, changes]);
}

function rowsOf(values: readonly (string | null)[]): StepOutcome {
  return ok({
    columns: [{ name: "value", decltype: null }],
    rows: values.map((value) => [value]),
    affectedRowCount: 0,
    lastInsertRowid: null,
  });
}

/** A write's outcome; the row tells the value after it, as RETURNING would. */
function affected(affectedRowCount: number, value: string | null): StepOutcome {
  return ok({
    columns: [{ name: "value", decltype: null }],
    rows: [[value]],
    affectedRowCount,
    lastInsertRowid: null,
  });
}

function ok(result: StatementResult): StepOutcome {
  return { ok: true, result };
}

function failure(code: string, extendedCode: number, message: string): StepOutcome {
  const error: SqlError = { code, extendedCode, message };
  return { ok: false, error };
}
