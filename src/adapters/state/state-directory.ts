/**
 * The directory that is a node: its keys, log and databases. One process at a time may hold it; it must belong to
 * this user, be of a version this program knows, and be the original, not a copy (two nodes with one key would
 * break what they promised each other).
 */

import { Database } from "bun:sqlite";
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { MyceliumError, messageOf } from "../../base/index.ts";

/** Raised when a version changes what is in the directory; an older program refuses a newer one. */
const STATE_VERSION = 1;
const MARK = "state.json";
const LOCK = "lock";
const FILE_SIZE_MAX = 16 << 20;
const LOCK_WAIT_MS = 200;

interface Mark {
  readonly version: number;
  /** Inode of the directory when it was made: a copy has another. */
  readonly origin: string;
}

export class StateDirectory {
  readonly path: string;
  /** The topmost directory that had to be made; null when all were there. */
  readonly #made: string | null;
  #isNew = false;
  #lock: Database | null = null;

  private constructor(path: string, made: string | null) {
    this.path = path;
    this.#made = made;
  }

  /**
   * Opens and locks the directory, making it when `create`. Throws STATE_MISSING, STATE_NOT_WRITABLE, STATE_FOREIGN,
   * STATE_NEWER, STATE_COPIED or STATE_IN_USE. `adopt` accepts a directory that was moved.
   */
  static open(
    path: string,
    options: { readonly create: boolean; readonly adopt?: boolean },
  ): StateDirectory {
    const made = ensureDirectory(path, options.create);
    const directory = new StateDirectory(path, made);
    try {
      directory.#takeLock();
      directory.#checkMark(options.adopt === true);
      return directory;
    } catch (error) {
      directory.close();
      if (made !== null) rmSync(made, { recursive: true, force: true });
      throw error;
    }
  }

  /** Whether a running process holds the directory at `path`; it stays as it is. */
  static isHeld(path: string): boolean {
    const lockPath = join(path, LOCK);
    if (!existsSync(lockPath)) return false;
    let lock: Database | null = null;
    try {
      lock = new Database(lockPath, { readonly: true });
      lock.query("PRAGMA schema_version").get();
      return false;
    } catch (error) {
      if (isBusy(error)) return true;
      throw storageError(`Cannot look at ${lockPath}`, error);
    } finally {
      lock?.close();
    }
  }

  /** Whether a node lives in `path`, without opening it. */
  static holdsNode(path: string): boolean {
    return existsSync(join(path, MARK)) && existsSync(join(path, "node.key"));
  }

  /** The path of a file in the directory; an absolute name is itself. */
  file(name: string): string {
    return resolve(this.path, name);
  }

  has(name: string): boolean {
    return existsSync(this.file(name));
  }

  /** Null when there is none. */
  read(name: string): Uint8Array | null {
    const path = this.file(name);
    if (!existsSync(path)) return null;
    const sizeBytes = statSync(path).size;
    if (sizeBytes > FILE_SIZE_MAX) {
      throw new MyceliumError(
        "STATE_CORRUPT",
        `Cannot read ${path}: found ${sizeBytes} bytes, needed at most ${FILE_SIZE_MAX}`,
      );
    }
    return new Uint8Array(readFileSync(path));
  }

  /** Replaces a file atomically and durably, mode 0600. Throws DISK_FULL. */
  write(name: string, content: Uint8Array): void {
    const path = this.file(name);
    const temporary = `${path}.new`;
    try {
      writeSynced(temporary, content);
      renameSync(temporary, path);
      syncDirectory(this.path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw storageError(`Cannot write ${path}`, error);
    }
  }

  remove(name: string): void {
    rmSync(this.file(name), { recursive: true, force: true });
  }

  /** Free bytes for this user on the file system. */
  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  close(): void {
    this.#lock?.close();
    this.#lock = null;
  }

  /** Closes it, and removes what opening it made: for a node that did not come to be. */
  discard(): void {
    this.close();
    if (this.#made !== null) rmSync(this.#made, { recursive: true, force: true });
    else if (this.#isNew) for (const name of [MARK, LOCK]) this.remove(name);
  }

  /** SQLite's own file lock: the kernel frees it when the process dies, however it dies. */
  #takeLock(): void {
    const path = this.file(LOCK);
    let lock: Database | null = null;
    try {
      lock = new Database(path, { create: true });
      // Whoever only looks whether it is held (isHeld) is gone in a moment.
      lock.run(`PRAGMA busy_timeout = ${LOCK_WAIT_MS}`);
      lock.run("PRAGMA locking_mode = EXCLUSIVE");
      lock.run("BEGIN EXCLUSIVE");
      chmodSync(path, 0o600);
      this.#lock = lock;
    } catch (error) {
      lock?.close();
      if (!isBusy(error)) throw storageError(`Cannot lock ${path}`, error);
      throw new MyceliumError(
        "STATE_IN_USE",
        `Cannot use ${this.path}: a running node holds it; stop that one, or choose another directory with --state`,
      );
    }
  }

  #checkMark(adopt: boolean): void {
    const content = this.read(MARK);
    const here = originOf(this.path);
    if (content !== null) {
      const mark = parseMark(content, this.file(MARK));
      if (mark.version > STATE_VERSION) {
        throw new MyceliumError(
          "STATE_NEWER",
          `Cannot use ${this.path}: found state of version ${mark.version}, this program knows up to ` +
            `${STATE_VERSION}; run a newer mycelium`,
        );
      }
      if (mark.origin === here) return;
      if (!adopt) {
        throw new MyceliumError(
          "STATE_COPIED",
          `Cannot use ${this.path}: it is a copy of another node's directory, and two nodes must not share a key; ` +
            "if you moved it and the original is gone, run once with --adopt; else delete it and join anew",
        );
      }
    }
    this.#isNew = content === null;
    const mark: Mark = { version: STATE_VERSION, origin: here };
    this.write(MARK, new TextEncoder().encode(`${JSON.stringify(mark)}\n`));
  }
}

/** Returns the topmost directory it had to make. */
function ensureDirectory(path: string, create: boolean): string | null {
  try {
    let made: string | null = null;
    if (!existsSync(path)) {
      if (!create) {
        throw new MyceliumError(
          "STATE_MISSING",
          `Cannot use ${path}: there is no such directory; make a network with \`mycelium init\`, or join one ` +
            "with `mycelium join TOKEN`",
        );
      }
      made = mkdirSync(path, { recursive: true, mode: 0o700 }) ?? null;
    }
    const found = statSync(path);
    const { uid } = found;
    if (!found.isDirectory()) {
      throw new MyceliumError(
        "STATE_NOT_WRITABLE",
        `Cannot use ${path}: it is a file, needed a directory; choose another with --state`,
      );
    }
    const own = process.geteuid?.() ?? uid;
    if (own !== uid && own !== 0) throw foreign(path, uid);
    if (own === 0 && uid !== 0) throw foreign(path, uid);
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return made;
  } catch (error) {
    if (error instanceof MyceliumError) throw error;
    throw storageError(`Cannot use ${path}`, error);
  }
}

function isBusy(error: unknown): boolean {
  return /locked|busy/i.test(messageOf(error));
}

function foreign(path: string, uid: number): MyceliumError {
  return new MyceliumError(
    "STATE_FOREIGN",
    `Cannot use ${path}: it belongs to user ${uid}, this process runs as ${process.geteuid?.()}; run as its ` +
      "owner, or choose another directory with --state",
  );
}

/** The inode alone: numbers of devices change over a reboot. */
function originOf(path: string): string {
  return String(statSync(path, { bigint: true }).ino);
}

function parseMark(content: Uint8Array, path: string): Mark {
  try {
    const mark = JSON.parse(new TextDecoder().decode(content)) as Partial<Mark>;
    if (Number.isSafeInteger(mark.version) && typeof mark.origin === "string") return mark as Mark;
  } catch {
    // Told below, with the file's name.
  }
  throw new MyceliumError(
    "STATE_CORRUPT",
    `Cannot read ${path}: it is damaged; restore it from a backup or join anew`,
  );
}

function writeSynced(path: string, content: Uint8Array): void {
  const fd = openSync(path, "w", 0o600);
  try {
    for (let at = 0; at < content.length; ) at += writeSync(fd, content, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function storageError(action: string, error: unknown): MyceliumError {
  const code = (error as { code?: string }).code;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new MyceliumError("DISK_FULL", `${action}: the disk is full; free some space`, {
      cause: error,
    });
  }
  return new MyceliumError(
    "STATE_NOT_WRITABLE",
    `${action}: ${messageOf(error)}; needed a directory this user may read and write`,
    { cause: error },
  );
}
