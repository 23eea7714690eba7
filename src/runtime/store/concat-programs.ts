/** Joins the programs of an interactive transaction into the one program that replicas execute again. */

import type { Condition, Program, Step } from "../../domain/sql/index.ts";

export function concatPrograms(programs: readonly Program[]): Program {
  const steps: Step[] = [];
  for (const program of programs) {
    const offset = steps.length;
    for (const step of program.steps) {
      steps.push({
        statement: step.statement,
        condition: step.condition === null ? null : shiftCondition(step.condition, offset),
      });
    }
  }
  return { steps };
}

function shiftCondition(condition: Condition, offset: number): Condition {
  switch (condition.type) {
    case "ok":
    case "error":
      return { type: condition.type, step: condition.step + offset };
    case "not":
      return { type: "not", cond: shiftCondition(condition.cond, offset) };
    case "and":
    case "or":
      return {
        type: condition.type,
        conds: condition.conds.map((inner) => shiftCondition(inner, offset)),
      };
    case "is_autocommit":
      return condition;
  }
}
