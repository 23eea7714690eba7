/** HTTP answers of the agent itself. */

import { type ErrorCode, InvariantError, MyceliumError, messageOf } from "../base/index.ts";

const STATUS_OF: Partial<Record<ErrorCode, number>> = {
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  READ_ONLY: 403,
  TOO_LARGE: 413,
  OVERLOADED: 429,
  NO_QUORUM: 503,
  NOT_LEADER: 503,
  UNREACHABLE: 503,
  OUTCOME_UNKNOWN: 503,
  CLOSED: 503,
  TIMEOUT: 504,
  DISK_FULL: 507,
};

export function textResponse(
  status: number,
  body: string,
  type = "text/plain; charset=utf-8",
): Response {
  return new Response(body, { status, headers: { "content-type": type } });
}

export function jsonResponse(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/json" },
  });
}

export function errorResponse(
  status: number,
  code: ErrorCode | "INTERNAL",
  message: string,
): Response {
  return jsonResponse({ error: { code, message } }, status);
}

/** An expected error as an answer. Bugs are thrown on. */
export function refusal(error: unknown): Response {
  if (error instanceof InvariantError || !(error instanceof MyceliumError)) throw error;
  return errorResponse(STATUS_OF[error.code] ?? 400, error.code, messageOf(error));
}
