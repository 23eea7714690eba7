/**
 * Errors as Hrana clients see them. `code` is SQLite's primary code, as libSQL's server sends it and its clients
 * compare it; the extended code and its number travel in fields of their own, which other clients ignore.
 * Source: Hrana 3, "Errors"; sqlite.org/rescode.html.
 */

import type { SqlError } from "../sql/index.ts";

export interface HranaError {
  readonly message: string;
  readonly code: string;
  /** "SQLITE_CONSTRAINT_UNIQUE" and 2067; absent for errors that are not SQLite's. */
  readonly extended?: { readonly code: string; readonly number: number };
}

const PRIMARY_CODES: readonly string[] = [
  "SQLITE_OK",
  "SQLITE_ERROR",
  "SQLITE_INTERNAL",
  "SQLITE_PERM",
  "SQLITE_ABORT",
  "SQLITE_BUSY",
  "SQLITE_LOCKED",
  "SQLITE_NOMEM",
  "SQLITE_READONLY",
  "SQLITE_INTERRUPT",
  "SQLITE_IOERR",
  "SQLITE_CORRUPT",
  "SQLITE_NOTFOUND",
  "SQLITE_FULL",
  "SQLITE_CANTOPEN",
  "SQLITE_PROTOCOL",
  "SQLITE_EMPTY",
  "SQLITE_SCHEMA",
  "SQLITE_TOOBIG",
  "SQLITE_CONSTRAINT",
  "SQLITE_MISMATCH",
  "SQLITE_MISUSE",
  "SQLITE_NOLFS",
  "SQLITE_AUTH",
  "SQLITE_FORMAT",
  "SQLITE_RANGE",
  "SQLITE_NOTADB",
  "SQLITE_NOTICE",
  "SQLITE_WARNING",
];

export function hranaErrorOfSql(error: SqlError): HranaError {
  return {
    message: error.message,
    code: PRIMARY_CODES[error.extendedCode & 0xff] ?? error.code,
    extended: { code: error.code, number: error.extendedCode },
  };
}

/** The JSON text of an error. */
export function encodeError(error: HranaError): string {
  const extended =
    error.extended === undefined
      ? ""
      : `,"extended_code":${JSON.stringify(error.extended.code)},"raw_code":${error.extended.number}`;
  return `{"message":${JSON.stringify(error.message)},"code":${JSON.stringify(error.code)}${extended}}`;
}
