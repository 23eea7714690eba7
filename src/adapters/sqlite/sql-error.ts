/** SQLite's errors by their symbolic extended names, as clients know them. Source: sqlite.org/rescode.html */

import { errorCodeOf, MyceliumError, messageOf } from "../../base/index.ts";
import type { SqlError } from "../../domain/sql/index.ts";

const PRIMARY_NAMES: readonly string[] =
  `OK ERROR INTERNAL PERM ABORT BUSY LOCKED NOMEM READONLY INTERRUPT IOERR CORRUPT NOTFOUND FULL CANTOPEN PROTOCOL
  EMPTY SCHEMA TOOBIG CONSTRAINT MISMATCH MISUSE NOLFS AUTH FORMAT RANGE NOTADB NOTICE WARNING`.split(
    /\s+/,
  );

const EXTENDED_NAMES: Readonly<Record<number, string>> = {
  1: "MISSING_COLLSEQ RETRY SNAPSHOT RESERVESIZE",
  4: "- ROLLBACK",
  5: "RECOVERY SNAPSHOT TIMEOUT",
  6: "SHAREDCACHE VTAB",
  8: "RECOVERY CANTLOCK ROLLBACK DBMOVED CANTINIT DIRECTORY",
  10: `READ SHORT_READ WRITE FSYNC DIR_FSYNC TRUNCATE FSTAT UNLOCK RDLOCK DELETE BLOCKED NOMEM ACCESS
    CHECKRESERVEDLOCK LOCK CLOSE DIR_CLOSE SHMOPEN SHMSIZE SHMLOCK SHMMAP SEEK DELETE_NOENT MMAP GETTEMPPATH CONVPATH
    VNODE AUTH BEGIN_ATOMIC COMMIT_ATOMIC ROLLBACK_ATOMIC DATA CORRUPTFS IN_PAGE`,
  11: "VTAB SEQUENCE INDEX",
  14: "NOTEMPDIR ISDIR FULLPATH CONVPATH DIRTYWAL SYMLINK",
  19: "CHECK COMMITHOOK FOREIGNKEY FUNCTION NOTNULL PRIMARYKEY TRIGGER UNIQUE VTAB ROWID PINNED DATATYPE",
  23: "USER",
};

export const SQLITE_ERROR = 1;
export const SQLITE_NOMEM = 7;
export const SQLITE_READONLY = 8;
export const SQLITE_INTERRUPT = 9;
export const SQLITE_IOERR = 10;
export const SQLITE_CORRUPT = 11;
export const SQLITE_FULL = 13;
export const SQLITE_TOOBIG = 18;
export const SQLITE_AUTH = 23;
export const SQLITE_NOTADB = 26;
export const SQLITE_CONSTRAINT_FOREIGNKEY = 787;

/** "SQLITE_CONSTRAINT_UNIQUE" for 2067; the primary name where the extended one is unknown. */
export function sqliteCodeName(extendedCode: number): string {
  const primary = extendedCode & 0xff;
  const primaryName = `SQLITE_${PRIMARY_NAMES[primary] ?? "ERROR"}`;
  const position = (extendedCode >> 8) - 1;
  if (position < 0) return primaryName;
  const extended = EXTENDED_NAMES[primary]?.split(/\s+/)[position];
  return extended === undefined || extended === "-" ? primaryName : `${primaryName}_${extended}`;
}

export function sqlError(extendedCode: number, message: string): SqlError {
  return { code: sqliteCodeName(extendedCode), extendedCode, message };
}

/** The extended code of what node:sqlite threw; undefined when SQLite did not say one. */
export function extendedCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode : undefined;
}

/** What a statement's failure is to its client. Damage and lack of memory are the node's, and thrown on. */
export function toSqlError(error: unknown): SqlError {
  if (errorCodeOf(error) !== undefined) throw error;
  const extendedCode = extendedCodeOf(error);
  if (extendedCode === undefined) return sqlError(SQLITE_ERROR, messageOf(error));
  throwIfCorrupt(error);
  return sqlError(extendedCode, messageOf(error));
}

/** Throws STATE_CORRUPT when `error` is SQLite's word for a damaged file. */
export function throwIfCorrupt(error: unknown): void {
  const extendedCode = extendedCodeOf(error);
  if (extendedCode === undefined) return;
  const primary = extendedCode & 0xff;
  // A table with a damaged shadow table reports SQLITE_CORRUPT_VTAB: that too is damage.
  if (primary !== SQLITE_CORRUPT && primary !== SQLITE_NOTADB) return;
  throw new MyceliumError(
    "STATE_CORRUPT",
    `Cannot use the database: SQLite found ${sqliteCodeName(extendedCode)} (${messageOf(error)}); ` +
      "it is replaced by a copy from another replica",
    { cause: error },
  );
}
