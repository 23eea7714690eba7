export { encodeError, type HranaError, hranaErrorOfSql } from "./error.ts";
export { parameterNames } from "./parameters.ts";
export {
  type CursorRequest,
  type PipelineRequest,
  parseCursor,
  parsePipeline,
  type SqlRef,
  type StatementRef,
  type StepRef,
  type StreamRequest,
} from "./request.ts";
export {
  CLOSE_OK,
  CLOSE_SQL_OK,
  type DescribeResult,
  encodeAutocommit,
  encodeBatch,
  encodeCursorEntries,
  encodeCursorError,
  encodeCursorHead,
  encodeDescribe,
  encodeErrorResult,
  encodeExecute,
  encodePipeline,
  ResponseBudget,
  type ResponseLimits,
  SEQUENCE_OK,
  STORE_SQL_OK,
} from "./response.ts";
export { decodeValue, encodeValue } from "./value.ts";
