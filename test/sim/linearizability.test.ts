import { expect, test } from "bun:test";
import fc from "fast-check";
import { SeededRandom } from "../../src/base/index.ts";
import { checkLinearizable, type Operation } from "./linearizability.ts";
import { runModel, type TableState } from "./model.ts";

function op(callMs: number, returnMs: number, sql: string, answer: string | null): Operation {
  const program = sql.split("; ");
  const answers = answer === null ? null : answer.split("; ");
  return { client: `c${callMs}`, callMs, returnMs, program, answers };
}

const verdictOf = (...operations: Operation[]) => checkLinearizable(operations).kind;

test("an empty history is linearizable", () => {
  expect(verdictOf()).toBe("linearizable");
});

test("a read after a write that sees it is linearizable", () => {
  expect(verdictOf(op(0, 1, "set x 1", "1"), op(2, 3, "get x", "1"))).toBe("linearizable");
});

test("a stale read is a violation, and the checker names it", () => {
  const verdict = checkLinearizable([
    op(0, 1, "set x 1", "1"),
    op(2, 3, "set x 2", "2"),
    op(4, 5, "get x", "1"),
  ]);
  expect(verdict.kind).toBe("violation");
  expect(verdict.kind === "violation" && verdict.stuckAt?.callMs).toBe(4);
});

test("a lost acknowledged write is a violation", () => {
  expect(verdictOf(op(0, 1, "set x 1", "1"), op(2, 3, "get x", "-"))).toBe("violation");
});

test("concurrent operations may take effect in either order", () => {
  expect(
    verdictOf(op(0, 10, "set x 1", "1"), op(1, 9, "set x 2", "2"), op(11, 12, "get x", "1")),
  ).toBe("linearizable");
});

test("two reads cannot disagree about the order of concurrent writes", () => {
  expect(
    verdictOf(
      op(0, 10, "set x 1", "1"),
      op(0, 10, "set x 2", "2"),
      op(11, 12, "get x", "1"),
      op(13, 14, "get x", "2"),
    ),
  ).toBe("violation");
});

test("a write of unknown outcome may take effect late", () => {
  expect(
    verdictOf(
      op(0, Number.POSITIVE_INFINITY, "set x 1", null),
      op(5, 6, "get x", "-"),
      op(50, 60, "get x", "1"),
    ),
  ).toBe("linearizable");
});

test("a write of unknown outcome may never take effect", () => {
  expect(
    verdictOf(op(0, Number.POSITIVE_INFINITY, "append x 1", null), op(5, 6, "get x", "-")),
  ).toBe("linearizable");
});

test("a write of unknown outcome cannot take effect before its call, twice, or come and go", () => {
  const unknown = (callMs: number, sql: string) => op(callMs, Number.POSITIVE_INFINITY, sql, null);
  expect(verdictOf(op(0, 1, "get x", "1"), unknown(2, "set x 1"))).toBe("violation");
  expect(verdictOf(unknown(0, "append x 1"), op(1, 2, "get x", "1,1"))).toBe("violation");
  expect(verdictOf(unknown(0, "set x 1"), op(1, 2, "get x", "1"), op(3, 4, "get x", "-"))).toBe(
    "violation",
  );
  expect(verdictOf(unknown(0, "incr x"), op(1, 2, "get x", "2"))).toBe("violation");
});

test("compare and set succeeds for one of two that raced", () => {
  const first = op(0, 5, "cas x - 1", "1");
  expect(verdictOf(first, op(0, 5, "cas x - 2", "1"))).toBe("linearizable");
  expect(verdictOf(first, op(0, 5, "cas x - 2", "2"))).toBe("violation");
});

test("a program of several statements is one step", () => {
  const transfer = op(0, 10, "incr x; incr y", "1; 1");
  expect(verdictOf(transfer, op(2, 3, "get x; get y", "1; 1"))).toBe("linearizable");
  expect(verdictOf(transfer, op(2, 3, "get x; get y", "1; -"))).toBe("violation");
});

test("a search past its bound is undecided, not a verdict", () => {
  const operations = Array.from({ length: 12 }, (_, i) => op(0, 100, `append x ${i}`, null));
  const reads = [op(101, 102, "get x", "0,1,2,3,4,5,6,7,8,9,10,11,12")];
  expect(checkLinearizable([...operations, ...reads], 1_000).kind).toBe("undecided");
});

const STATEMENTS = ["set", "append", "incr", "cas", "get", "del"] as const;

/** A history that has an order by construction: each operation takes effect at one moment within its span. */
function sequentialHistory(seed: number, count: number): Operation[] {
  const random = new SeededRandom(seed);
  let state: TableState = new Map();
  return Array.from({ length: count }, (_, i) => {
    const key = `k${random.below(2)}`;
    const verb = STATEMENTS[random.below(STATEMENTS.length)] ?? "get";
    const args =
      verb === "cas"
        ? ` ${state.get(key) ?? "-"} ${i}`
        : verb === "set" || verb === "append"
          ? ` ${i}`
          : "";
    const program = [`${verb} ${key}${args}`.replace(/^incr k/, "incr n")];
    const outcome = runModel(state, program);
    state = outcome.state;
    const callMs = i * 10 - random.below(40);
    const returnMs = i * 10 + random.below(40);
    return { client: `c${i}`, callMs, returnMs, program, answers: outcome.answers };
  });
}

test("every history with an order by construction is linearizable", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 60 }), (seed, count) => {
      const kind = checkLinearizable(sequentialHistory(seed, count)).kind;
      expect(kind).toBe("linearizable");
    }),
    { numRuns: 200 },
  );
});

/** The definition itself: some permutation that respects real time explains all answers. */
function bruteForce(operations: readonly Operation[]): boolean {
  const search = (left: readonly Operation[], state: TableState): boolean => {
    if (left.every((operation) => operation.answers === null)) return true;
    const deadlineMs = Math.min(...left.map((operation) => operation.returnMs));
    return left.some((operation) => {
      if (operation.callMs > deadlineMs) return false;
      const outcome = runModel(state, operation.program);
      const { answers } = operation;
      if (answers !== null && answers.join() !== outcome.answers.join()) return false;
      return search(
        left.filter((other) => other !== operation),
        outcome.state,
      );
    });
  };
  return search(operations, new Map());
}

test("the checker agrees with the definition on small random histories", () => {
  const verdicts = { good: 0, bad: 0 };
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const random = new SeededRandom(seed);
      const operations = sequentialHistory(seed, 6).map((operation) => {
        if (random.below(5) === 0) {
          return { ...operation, answers: null, returnMs: Number.POSITIVE_INFINITY };
        }
        const isSpoiled = random.below(6) === 0 && operation.program[0]?.startsWith("get");
        return isSpoiled ? { ...operation, answers: [String(random.below(6))] } : operation;
      });
      const expected = bruteForce(operations);
      if (expected) verdicts.good++;
      else verdicts.bad++;
      expect(checkLinearizable(operations).kind).toBe(expected ? "linearizable" : "violation");
    }),
    { numRuns: 1_000, seed: 7 },
  );
  expect(verdicts.good).toBeGreaterThan(50);
  expect(verdicts.bad).toBeGreaterThan(50);
});
