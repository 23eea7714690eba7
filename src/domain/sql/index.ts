export {
  atomicProgram,
  codeOfFailure,
  failureOf,
  type ProgramFailure,
  plainProgram,
  statement,
  succeeded,
} from "./atomic-program.ts";
export {
  type AuthorizerAction,
  type AuthorizerContext,
  authorize,
  ENGINE_TABLES,
  isReserved,
  RESERVED_PREFIX,
  type Verdict,
} from "./authorizer-policy.ts";
export {
  type BeginMode,
  type Classification,
  classifyStatement,
  isReadOnlyKind,
  type StatementKind,
} from "./classify-statement.ts";
export {
  classifyFunction,
  classifyModule,
  type FunctionClass,
  type ModuleClass,
} from "./function-policy.ts";
export { blobOf, changedRows, numberOf, type Row, rowsOf, textOf } from "./own-rows.ts";
export { PackReader } from "./pack-reader.ts";
export { PackWriter } from "./pack-writer.ts";
export { classifyPragma, type PragmaSetting } from "./pragma-policy.ts";
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
export { decodeProgram, encodeProgram, readProgram, writeProgram } from "./program-codec.ts";
export { PROGRAM_LIMITS, programSizeBytes, validateProgram } from "./program-limits.ts";
export {
  decodeProgramResult,
  decodeStatementResult,
  encodeProgramResult,
  encodeStatementResult,
  readProgramResult,
  writeProgramResult,
} from "./result-codec.ts";
export { splitStatements } from "./split-statements.ts";
export { type Token, type TokenKind, tokenName, tokens, tokenText } from "./tokenizer.ts";
export { packValues, type SqlValue, unpackValues } from "./value.ts";
