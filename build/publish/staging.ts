/**
 * A change of a release directory. Everything is made beside it, complete and synced, and then moved into place in an
 * order in which no reader sees half of it: first names that are new, then the installer's files, the timestamp last.
 * What fails before that leaves the directory as it was; what is cut off in between is finished by the next change.
 */

import {
  closeSync,
  copyFileSync,
  existsSync,
  constants as fileConstants,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { linkOrCopy, writeSynced } from "./files.ts";

/** Moved last, in this order: what a reader looks at first. A new root makes the timestamp before it void. */
const LAST = [
  /^install\.sh$/,
  /^SHA256SUMS$/,
  /^SHA256SUMS\.sig$/,
  /^metadata\/\d+\.root\.json$/,
  /^metadata\/timestamp\.json$/,
];

export class Staging {
  readonly #out: string;
  readonly #folder: string;
  readonly #paths = new Set<string>();

  /** Throws when another change of the directory is under way. */
  constructor(out: string) {
    this.#out = out;
    this.#folder = `${out}.staging`;
    mkdirSync(dirname(out), { recursive: true });
    takeLock(`${out}.lock`);
    rmSync(this.#folder, { recursive: true, force: true });
    mkdirSync(this.#folder);
  }

  write(path: string, content: Uint8Array | string, mode = 0o644): void {
    writeSynced(join(this.#folder, path), content, mode);
    this.#paths.add(path);
  }

  copy(path: string, from: string): void {
    const to = join(this.#folder, path);
    mkdirSync(dirname(to), { recursive: true });
    copyFileSync(from, to, fileConstants.COPYFILE_FICLONE);
    sync(to);
    this.#paths.add(path);
  }

  /** A second name for a file of this change or of the directory. */
  link(path: string, of: string): void {
    linkOrCopy(this.pathOf(of), join(this.#folder, path));
    this.#paths.add(path);
  }

  /** Where a file of the directory is as it will be. */
  pathOf(path: string): string {
    return join(this.#paths.has(path) ? this.#folder : this.#out, path);
  }

  /** Moves everything into place. */
  publish(): void {
    if (!existsSync(this.#out) || readdirSync(this.#out).length === 0) {
      renameSync(this.#folder, this.#out);
    } else {
      for (const path of this.#inOrder()) {
        mkdirSync(dirname(join(this.#out, path)), { recursive: true });
        renameSync(join(this.#folder, path), join(this.#out, path));
        // Two names of one file both stay after a rename.
        rmSync(join(this.#folder, path), { force: true });
        sync(dirname(join(this.#out, path)));
      }
    }
    sync(dirname(this.#out));
  }

  /** Frees the directory for the next change; without `publish()` nothing has changed. */
  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
    rmSync(`${this.#out}.lock`, { force: true });
  }

  #inOrder(): string[] {
    const rank = (path: string) => {
      const last = LAST.findIndex((pattern) => pattern.test(path));
      if (last >= 0) return 2 + last;
      return path.includes("/") ? 0 : 1;
    };
    return [...this.#paths].sort((a, b) => rank(a) - rank(b));
  }
}

/** A lock whose holder has died is taken over. */
function takeLock(path: string): void {
  for (let tries = 0; tries < 2; tries++) {
    try {
      writeFileSync(path, String(process.pid), { flag: "wx" });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = Number(readFileSync(path, "utf8"));
    if (holder > 0 && isAlive(holder)) {
      throw new Error(
        `Cannot change the release directory: process ${holder} is changing it (${path})`,
      );
    }
    rmSync(path, { force: true });
  }
  throw new Error(`Cannot lock the release directory: ${path} appears again and again`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function sync(path: string): void {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
