import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Condition, Program, StepOutcome } from "../../domain/sql/index.ts";
import { nextSegment, type StatementKind, subprogram } from "./plan.ts";

const KINDS: Readonly<Record<string, StatementKind>> = {
  read: { type: "read" },
  write: { type: "write" },
  begin: { type: "begin", mode: "write" },
  commit: { type: "commit" },
  rollback: { type: "rollback" },
};

const condition = (step: number): fc.Arbitrary<Condition | null> => {
  const leaf: fc.Arbitrary<Condition> =
    step === 0
      ? fc.constant({ type: "is_autocommit" })
      : fc.oneof(
          fc.constant<Condition>({ type: "is_autocommit" }),
          fc.record({
            type: fc.constantFrom("ok" as const, "error" as const),
            step: fc.nat({ max: step - 1 }),
          }),
        );
  const { tree } = fc.letrec<{ tree: Condition }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 2 },
      leaf,
      fc.record({ type: fc.constant("not" as const), cond: tie("tree") }),
      fc.record({
        type: fc.constantFrom("and" as const, "or" as const),
        conds: fc.array(tie("tree"), { maxLength: 3 }),
      }),
    ),
  }));
  return fc.option(tree);
};

interface Case {
  readonly names: readonly string[];
  readonly program: Program;
  readonly failing: readonly boolean[];
}

const CASE: fc.Arbitrary<Case> = fc
  .array(fc.constantFrom(...Object.keys(KINDS)), { minLength: 1, maxLength: 8 })
  .chain((names) =>
    fc.record({
      names: fc.constant(names),
      program: fc.tuple(...names.map((_, i) => condition(i))).map((conditions) => ({
        steps: names.map((sql, i) => ({
          statement: { sql, args: [BigInt(i)], namedArgs: [], wantRows: true },
          condition: conditions[i] ?? null,
        })),
      })),
      failing: fc.array(fc.boolean(), { minLength: names.length, maxLength: names.length }),
    }),
  );

/** A connection as far as conditions see it: transaction control, and steps that fail as told. */
class Model {
  open = false;
  readonly trace: string[] = [];
  readonly #failing: readonly boolean[];

  constructor(failing: readonly boolean[]) {
    this.#failing = failing;
  }

  run(program: Program): StepOutcome[] {
    const outcomes: StepOutcome[] = [];
    for (const { statement, condition } of program.steps) {
      const runs = condition === null || this.#holds(condition, outcomes);
      outcomes.push(runs ? this.#step(statement.sql, Number(statement.args[0])) : null);
    }
    return outcomes;
  }

  #step(name: string, id: number): StepOutcome {
    const control =
      name === "begin" ? this.open : name !== "read" && name !== "write" && !this.open;
    const isRollback = name === "rollback";
    const ok = !control && (isRollback || name === "begin" || !this.#failing[id]);
    if (ok && name === "begin") this.open = true;
    if (ok && (name === "commit" || isRollback)) this.open = false;
    this.trace.push(`${id} ${name} ${ok} ${this.open}`);
    const result = { columns: [], rows: [], affectedRowCount: id, lastInsertRowid: null };
    const error = { code: "SQLITE_ERROR", extendedCode: 1, message: String(id) };
    return ok ? { ok, result } : { ok, error };
  }

  #holds(cond: Condition, outcomes: readonly StepOutcome[]): boolean {
    switch (cond.type) {
      case "ok":
        return outcomes[cond.step]?.ok === true;
      case "error":
        return outcomes[cond.step]?.ok === false;
      case "not":
        return !this.#holds(cond.cond, outcomes);
      case "and":
        return cond.conds.every((part) => this.#holds(part, outcomes));
      case "or":
        return cond.conds.some((part) => this.#holds(part, outcomes));
      case "is_autocommit":
        return !this.open;
    }
  }
}

describe("plans", () => {
  test("run in segments, a program does exactly what it does in one piece", () => {
    fc.assert(
      fc.property(CASE, fc.boolean(), ({ names, program, failing }, open) => {
        const whole = new Model(failing);
        const parts = new Model(failing);
        whole.open = open;
        parts.open = open;
        const kinds = names.map((name) => KINDS[name] as StatementKind);
        const outcomes: StepOutcome[] = [];
        while (outcomes.length < names.length) {
          const from = outcomes.length;
          let segment = nextSegment(program, kinds, from, parts.open);
          if (segment.via === "attempt") {
            const trial = new Model(failing);
            trial.run(subprogram(program, from, segment.to, outcomes));
            if (trial.open) segment = nextSegment(program, kinds, from, parts.open, false);
          }
          expect(segment.to).toBeGreaterThan(from);
          outcomes.push(...parts.run(subprogram(program, from, segment.to, outcomes)));
        }
        expect(outcomes).toEqual(whole.run(program));
        expect(parts.trace).toEqual(whole.trace);
      }),
      { numRuns: 500 },
    );
  });

  test("only what surely ends its transaction, but for a failing COMMIT, is run at once", () => {
    fc.assert(
      fc.property(CASE, ({ names, program, failing }) => {
        const kinds = names.map((name) => KINDS[name] as StatementKind);
        const segment = nextSegment(program, kinds, 0, false, false);
        if (segment.via === "begin" || segment.to < names.length) return;
        const model = new Model(failing.map((fails, i) => fails && names[i] !== "commit"));
        model.run(program);
        expect(model.open).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  test("what ends its transaction unless a step fails is tried at once, and then cut", () => {
    const names = ["begin", "write", "write", "commit"];
    const kinds = names.map((name) => KINDS[name] as StatementKind);
    const steps = names.map((sql, i) => ({
      statement: { sql, args: [], namedArgs: [], wantRows: true },
      condition: i === 0 ? null : ({ type: "ok", step: i - 1 } as const),
    }));
    expect(nextSegment({ steps }, kinds, 0, false)).toEqual({ to: 4, via: "attempt" });
    expect(nextSegment({ steps }, kinds, 0, false, false)).toEqual({
      to: 4,
      via: "begin",
      mode: "write",
    });
  });

  test("reads alone are a read, whatever control stands around them", () => {
    const kindsOf = (...names: string[]) => names.map((name) => KINDS[name] as StatementKind);
    const programOf = (count: number): Program => ({
      steps: Array.from({ length: count }, () => ({
        statement: { sql: "", args: [], namedArgs: [], wantRows: true },
        condition: null,
      })),
    });
    const deferred: StatementKind = { type: "begin", mode: "deferred" };
    const kinds = [deferred, ...kindsOf("read", "commit")];
    expect(nextSegment(programOf(3), kinds, 0, false)).toEqual({ to: 3, via: "read" });
    const writing = [deferred, ...kindsOf("write", "commit")];
    expect(nextSegment(programOf(3), writing, 0, false)).toEqual({ to: 3, via: "write" });
    expect(nextSegment(programOf(2), kinds.slice(0, 2), 0, false)).toEqual({
      to: 2,
      via: "begin",
      mode: "deferred",
    });
  });
});
