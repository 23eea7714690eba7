export type {
  Column,
  Condition,
  Program,
  ProgramResult,
  SqlError,
  SqlRole,
  Statement,
  StatementResult,
  Step,
  StepOutcome,
} from "./program.ts";
export { packValues, type SqlValue, unpackValues } from "./value.ts";
