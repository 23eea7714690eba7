/**
 * Long work beside writer and readers: page copies for snapshots, checkpoints, table hashes. Runs in Workers that
 * are started when needed.
 */

import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  openSync,
  readSync,
  rmSync,
  statSync,
} from "node:fs";
import { backup, type DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { type LogIndex, MyceliumError } from "../../base/index.ts";
import { createPrivate, openConnection } from "./connection.ts";
import { extendedCodeOf, SQLITE_FULL, throwIfCorrupt } from "./sql-error.ts";
import { readPosition } from "./store-tables.ts";
import { hashSteps, listTables } from "./table-hash.ts";

export interface CopyOptions {
  readonly path: string;
  readonly guardPath: string;
}

export interface CopiedFile {
  readonly appliedIndex: LogIndex;
  readonly sizeBytes: number;
  readonly sha256: Uint8Array;
}

const CACHE_SIZE_BYTES = 1_048_576;
const READ_SIZE_BYTES = 1_048_576;
/** Pages, 16 MiB of the usual size. */
const CHECKED_AT_ONCE = 4_096;
/** Of 64 KiB each, in one call: others wait no longer than that takes. */
const HASH_STEP_COUNT = 16;
/** All pages in one step: the copy is one state, and the writer goes on beside it (WAL). */
const ALL_PAGES = -1;

export class CopyEngine {
  readonly #options: CopyOptions;
  /** Reads in transactions of their own. */
  readonly #db: DatabaseSync;
  #snapshotOpen = false;
  #hashSteps: Iterator<void, Uint8Array, void> | null = null;

  /** Throws CLOSED when the file was replaced meanwhile; it never makes one. */
  constructor(options: CopyOptions) {
    this.#options = options;
    if (!existsSync(options.path)) {
      throw new MyceliumError(
        "CLOSED",
        "Cannot copy the database: it was replaced meanwhile; retry",
      );
    }
    const settings = { ...options, cacheSizeBytes: CACHE_SIZE_BYTES, readOnly: false };
    this.#db = openConnection(options.path, settings);
    this.#db.exec("PRAGMA wal_autocheckpoint = 0");
  }

  tables(): string[] {
    return listTables(this.#db);
  }

  /** Holds the committed state of now for `hashOn`. */
  holdState(): void {
    this.#db.exec("BEGIN");
    readPosition(this.#db);
    this.#snapshotOpen = true;
  }

  /** Hashes the held state of a table for a while; null when there is more to hash. */
  hashOn(table: string): Uint8Array | null {
    this.#hashSteps ??= hashSteps(this.#db, table);
    try {
      for (let count = 0; count < HASH_STEP_COUNT; count++) {
        const step = this.#hashSteps.next();
        if (step.done) return step.value;
      }
      return null;
    } catch (error) {
      throwIfCorrupt(error);
      throw error;
    }
  }

  /**
   * Writes the committed state to `target`: a page copy, because VACUUM INTO would renumber rows. Synced when it
   * resolves.
   */
  async copyTo(target: string): Promise<CopiedFile> {
    rmSync(target, { force: true });
    createPrivate(target);
    try {
      await backup(this.#db, target, { rate: ALL_PAGES });
      return describe(target, this.#options.guardPath);
    } catch (error) {
      rmSync(target, { force: true });
      throwIfCorrupt(error);
      throw error;
    }
  }

  /**
   * Reads some pages of the database file from number `first` on. The number of the next one, null behind the last.
   * Throws STATE_CORRUPT.
   */
  checkPages(first: number): number | null {
    const [size] = this.#db.prepare("PRAGMA page_size").get() as unknown as [bigint];
    const check = this.#db.prepare("SELECT mycelium_check_pages(?, ?, ?)");
    const [damaged] = check.get(size, first, CHECKED_AT_ONCE) as unknown as [bigint | null];
    if (damaged === null) return null;
    if (damaged === 0n) return first + CHECKED_AT_ONCE;
    throw new MyceliumError(
      "STATE_CORRUPT",
      `Cannot use the database: page ${damaged} of ${this.#options.path} does not fit its checksum; it is replaced by ` +
        "a copy from another replica",
    );
  }

  /** Copies the WAL into the main file as far as readers allow. Returns an applied index that is on disk. */
  checkpoint(): LogIndex {
    const { appliedIndex } = readPosition(this.#db);
    // Whatever the checkpoint can do, the WAL itself is synced up to here.
    syncWal(`${this.#options.path}-wal`);
    try {
      this.#db.prepare("PRAGMA wal_checkpoint(PASSIVE)").get();
    } catch (error) {
      throwIfCorrupt(error);
      // The pages stay in the WAL until there is room.
      if (((extendedCodeOf(error) ?? 0) & 0xff) !== SQLITE_FULL) throw error;
    }
    return appliedIndex;
  }

  close(): void {
    this.#hashSteps?.return?.();
    if (this.#snapshotOpen) this.#db.exec("ROLLBACK");
    this.#snapshotOpen = false;
    this.#db.close();
  }
}

/** The position is read from the copy itself, through a connection that leaves no trace. */
function describe(path: string, guardPath: string): CopiedFile {
  const db = openConnection(`${pathToFileURL(path).href}?immutable=1`, {
    guardPath,
    readOnly: true,
    cacheSizeBytes: CACHE_SIZE_BYTES,
  });
  try {
    const { appliedIndex } = readPosition(db);
    return { appliedIndex, sizeBytes: statSync(path).size, sha256: hashFile(path) };
  } finally {
    db.close();
  }
}

export function hashFile(path: string): Uint8Array {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(READ_SIZE_BYTES);
  const handle = openSync(path, "r");
  try {
    for (let read = readSync(handle, buffer); read > 0; read = readSync(handle, buffer)) {
      hash.update(buffer.subarray(0, read));
    }
    fdatasyncSync(handle);
  } finally {
    closeSync(handle);
  }
  return new Uint8Array(hash.digest());
}

/** SQLite keeps no locks on its WAL, so opening and closing it here drops none. */
function syncWal(path: string): void {
  const handle = openSync(path, "r+");
  try {
    fdatasyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
