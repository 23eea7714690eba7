import { expect, test } from "bun:test";
import { errorCodeOf } from "../../base/index.ts";
import type { Condition, Step } from "./program.ts";
import { PROGRAM_LIMITS, validateProgram } from "./program-limits.ts";

function step(
  sql: string,
  condition: Condition | null = null,
  args: Step["statement"]["args"] = [],
): Step {
  return { statement: { sql, args, namedArgs: [], wantRows: true }, condition };
}

function codeOf(steps: readonly Step[]): string | undefined {
  try {
    validateProgram({ steps });
    return undefined;
  } catch (error) {
    return errorCodeOf(error);
  }
}

test("validateProgram() takes what is within the limits and refuses what is not", () => {
  const { stepCountMax, sqlSizeMax, argCountMax } = PROGRAM_LIMITS;
  expect(codeOf([])).toBe(undefined);
  expect(codeOf(Array<Step>(stepCountMax).fill(step("SELECT 1")))).toBe(undefined);
  expect(codeOf(Array<Step>(stepCountMax + 1).fill(step("SELECT 1")))).toBe("TOO_LARGE");
  expect(codeOf([step("x".repeat(sqlSizeMax))])).toBe(undefined);
  expect(codeOf([step("ü".repeat(sqlSizeMax / 2 + 1))])).toBe("TOO_LARGE");
  expect(codeOf([step("?", null, Array<null>(argCountMax + 1).fill(null))])).toBe("TOO_LARGE");
  expect(codeOf([step("?", null, [new Uint8Array(PROGRAM_LIMITS.programSizeMax)])])).toBe(
    "TOO_LARGE",
  );
});

test("integers beyond 64 bits are refused, not cut", () => {
  expect(codeOf([step("?", null, [2n ** 63n])])).toBe("MALFORMED");
  expect(codeOf([step("?", null, [-(2n ** 63n)])])).toBe(undefined);
});

test("conditions name earlier steps only, and are shallow", () => {
  expect(codeOf([step("a"), step("b", { type: "ok", step: 0 })])).toBe(undefined);
  expect(codeOf([step("a"), step("b", { type: "ok", step: 1 })])).toBe("MALFORMED");
  expect(codeOf([step("a", { type: "error", step: -1 })])).toBe("MALFORMED");
  let deep: Condition = { type: "is_autocommit" };
  for (let i = 0; i <= PROGRAM_LIMITS.conditionDepthMax; i++) deep = { type: "not", cond: deep };
  expect(codeOf([step("a", deep)])).toBe("TOO_LARGE");
  const wide: Condition = {
    type: "or",
    conds: Array<Condition>(1_000).fill({ type: "is_autocommit" }),
  };
  expect(codeOf([step("a", wide)])).toBe("TOO_LARGE");
});
