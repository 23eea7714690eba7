/** How every connection to a shard's file is opened: typed values, WAL, defensive, guarded. */

import { closeSync, existsSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { MyceliumError, messageOf } from "../../base/index.ts";
import { throwIfCorrupt } from "./sql-error.ts";

export interface ConnectionOptions {
  /** The compiled native guard. */
  readonly guardPath: string;
  readonly readOnly: boolean;
  readonly cacheSizeBytes: number;
}

/** SQLITE_LIMIT_LENGTH: the largest text, blob or row, the same on every replica. */
const VALUE_SIZE_MAX = 64 * 1_048_576;
/** Pages in the WAL before a commit copies them back; the checkpoint Worker usually does so earlier. */
const WAL_PAGES_MAX = 4_096;
const WAL_SIZE_KEPT_BYTES = 32 * 1_048_576;
const BUSY_TIMEOUT_MS = 5_000;

const guardedPaths = new Set<string>();

const OPTIONS = {
  allowExtension: true,
  enableDoubleQuotedStringLiterals: true,
  enableForeignKeyConstraints: true,
  readBigInts: true,
  returnArrays: true,
  timeout: BUSY_TIMEOUT_MS,
} as const;

/** Throws STATE_CORRUPT when the file is no sound database. */
export function openConnection(path: string, options: ConnectionOptions): DatabaseSync {
  installGuardedVfs(options.guardPath);
  if (!options.readOnly) createPrivate(path);
  let db: DatabaseSync;
  try {
    db = new DatabaseSync(path, { ...OPTIONS, readOnly: options.readOnly });
  } catch (error) {
    throwIfCorrupt(error);
    throw new MyceliumError("STATE_NOT_WRITABLE", `Cannot open ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  try {
    loadGuard(db, options.guardPath);
    configure(db, options);
    return db;
  } catch (error) {
    db.close();
    throwIfCorrupt(error);
    throw error;
  }
}

/**
 * Makes a missing file for its owner alone; SQLite gives its WAL the same mode. A file that exists is not touched:
 * closing it would drop the locks of this process's other connections.
 */
export function createPrivate(path: string): void {
  if (!existsSync(path)) closeSync(openSync(path, "wx", 0o600));
}

function configure(db: DatabaseSync, options: ConnectionOptions): void {
  db.exec(`PRAGMA cache_size = -${Math.ceil(options.cacheSizeBytes / 1_024)}`);
  db.exec("PRAGMA cell_size_check = ON");
  db.exec(`SELECT mycelium_limits(${VALUE_SIZE_MAX})`);
  if (options.readOnly) return;
  db.exec("PRAGMA journal_mode = WAL");
  db.exec("PRAGMA synchronous = NORMAL");
  db.exec(`PRAGMA wal_autocheckpoint = ${WAL_PAGES_MAX}`);
  db.exec(`PRAGMA journal_size_limit = ${WAL_SIZE_KEPT_BYTES}`);
  db.enableDefensive(true);
}

/** The guard's VFS serves connections opened after it was loaded once in this process. */
function installGuardedVfs(guardPath: string): void {
  if (guardedPaths.has(guardPath)) return;
  const scratch = new DatabaseSync(":memory:", OPTIONS);
  try {
    loadGuard(scratch, guardPath);
    guardedPaths.add(guardPath);
  } finally {
    scratch.close();
  }
}

/**
 * SQLite adds ".so" to a name that it cannot load and tells of its last attempt alone; so it is given the name without
 * it, and what it tells is about the file.
 */
function loadGuard(db: DatabaseSync, guardPath: string): void {
  try {
    db.loadExtension(guardPath.replace(/\.so$/, ""));
    db.enableLoadExtension(false);
  } catch (error) {
    const reason = messageOf(error);
    throw new MyceliumError(
      "STATE_MISSING",
      `Cannot load the SQLite guard ${guardPath}: ${reason}; ${remedyFor(reason)}`,
      { cause: error },
    );
  }
}

/** `reason` is the dynamic loader's. */
function remedyFor(reason: string): string {
  if (/failed to map segment|not permitted/i.test(reason)) {
    return "libraries cannot be loaded from its file system: mount it without noexec, or keep the state elsewhere (--state)";
  }
  return "start the node again, which writes it anew (from source: `bun run build`)";
}
