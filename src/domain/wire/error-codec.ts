/** Expected errors as they cross a link: code, message and facts, each bounded. */

import { type ErrorCode, MyceliumError } from "../../base/index.ts";
import { decodeCbor, encodeCbor } from "./cbor.ts";
import { malformed, object, optional, record, type Shape, text } from "./shape.ts";

const MESSAGE_LENGTH_MAX = 4_096;
const DETAILS_COUNT_MAX = 32;
const DETAIL_LENGTH_MAX = 1_024;

/** The type checker keeps this list complete. */
const CODES: Readonly<Record<ErrorCode, true>> = {
  BAD_ARGUMENT: true,
  BAD_CONFIG: true,
  BAD_TOKEN: true,
  TOKEN_EXPIRED: true,
  TOKEN_USED: true,
  WRONG_NETWORK: true,
  ALREADY_MEMBER: true,
  NOT_A_MEMBER: true,
  NETWORK_FULL: true,
  CLOCK_OFF: true,
  VERSION_UNSUPPORTED: true,
  PORT_TAKEN: true,
  STATE_NOT_WRITABLE: true,
  STATE_FOREIGN: true,
  STATE_NEWER: true,
  STATE_IN_USE: true,
  STATE_COPIED: true,
  STATE_CORRUPT: true,
  STATE_MISSING: true,
  DISK_FULL: true,
  NOT_RUNNING: true,
  NOT_LEADER: true,
  NO_QUORUM: true,
  OUTCOME_UNKNOWN: true,
  OVERLOADED: true,
  UNREACHABLE: true,
  TIMEOUT: true,
  CLOSED: true,
  READ_ONLY: true,
  UNAUTHORIZED: true,
  FORBIDDEN: true,
  MALFORMED: true,
  TOO_LARGE: true,
  SQL: true,
  UPDATE_REFUSED: true,
};

const detail: Shape<string | number | boolean | null> = (value, path) => {
  const plain = value === null || typeof value === "number" || typeof value === "boolean";
  if (plain) return value;
  if (typeof value === "string" && value.length <= DETAIL_LENGTH_MAX) return value;
  throw malformed(path, "text, a number, true, false or null", value);
};

const errorShape = object({
  code: text(64),
  message: text(MESSAGE_LENGTH_MAX),
  details: optional(record(detail, DETAILS_COUNT_MAX)),
});

export function encodeError(error: MyceliumError): Uint8Array {
  const details = Object.entries(error.details)
    .slice(0, DETAILS_COUNT_MAX)
    .map(([name, value]) => [
      name,
      typeof value === "string" ? value.slice(0, DETAIL_LENGTH_MAX) : value,
    ]);
  return encodeCbor({
    code: error.code,
    message: error.message.slice(0, MESSAGE_LENGTH_MAX),
    details: Object.fromEntries(details),
  });
}

/**
 * The peer's error. A code of a newer version becomes OUTCOME_UNKNOWN, the one after which callers assume least.
 * Throws MALFORMED on anything else. Bound the size of `encoded` before calling.
 */
export function decodeError(encoded: Uint8Array): MyceliumError {
  const { code, message, details } = errorShape(decodeCbor(encoded), "error");
  if (isErrorCode(code)) return new MyceliumError(code, message, { details: details ?? {} });
  return new MyceliumError("OUTCOME_UNKNOWN", message, { details: { ...details, peerCode: code } });
}

/** Whether this version knows the code. */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(CODES, code);
}
