/** How failures reach a client: as a result inside a pipeline, or as an HTTP status with a JSON error. */

import { type ErrorCode, MyceliumError } from "../../base/index.ts";
import { encodeError, type HranaError } from "../../domain/hrana/index.ts";

/** A failure of one request in a pipeline, with the code its client will see. Never leaves the gateway. */
export class RequestFailure extends Error {
  readonly error: HranaError;

  constructor(code: string, message: string) {
    super(message);
    this.name = "RequestFailure";
    this.error = { code, message };
  }
}

/** A request that is answered by a status alone. */
export class HttpRefusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = "HttpRefusal";
    this.status = status;
    this.code = code;
  }
}

/** The codes that libSQL's clients know are used where one fits; the others are ours. */
const CLIENT_CODES: Partial<Record<ErrorCode, string>> = {
  READ_ONLY: "SQLITE_READONLY",
  DISK_FULL: "SQLITE_FULL",
};

/** The error of a request that failed as expected; throws on what is a bug. */
export function hranaErrorOf(error: unknown): HranaError {
  if (error instanceof RequestFailure) return error.error;
  if (error instanceof MyceliumError) {
    return { code: CLIENT_CODES[error.code] ?? error.code, message: error.message };
  }
  throw error;
}

const JSON_HEADERS = { "content-type": "application/json" };
/** PERF: made once, half the cost of an answer. */
const JSON_ANSWER = { headers: new Headers(JSON_HEADERS) };

export function jsonResponse(text: string): Response {
  return new Response(text, JSON_ANSWER);
}

export function refusalResponse(refusal: HttpRefusal): Response {
  const headers: Record<string, string> = { ...JSON_HEADERS };
  if (refusal.status === 401) headers["www-authenticate"] = "Bearer";
  if (refusal.status === 429) headers["retry-after"] = "1";
  const body = encodeError({ code: refusal.code, message: refusal.message });
  return new Response(body, { status: refusal.status, headers });
}
