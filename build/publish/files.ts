/** Files that are whole or not there: written under another name, synced, renamed. */

import { createHash } from "node:crypto";
import {
  closeSync,
  copyFileSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";

export function sha256Of(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const BLOCK_SIZE = 1_048_576;

export function sha256OfFile(path: string): string {
  const hash = createHash("sha256");
  const block = Buffer.allocUnsafe(BLOCK_SIZE);
  const file = openSync(path, "r");
  try {
    for (;;) {
      const count = readSync(file, block);
      if (count === 0) return hash.digest("hex");
      hash.update(block.subarray(0, count));
    }
  } finally {
    closeSync(file);
  }
}

/** Makes or replaces a file, its folder included; it is on the disk when this returns. */
export function writeSynced(path: string, content: Uint8Array | string, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true });
  const fresh = `${path}.new`;
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  rmSync(fresh, { force: true });
  const file = openSync(fresh, "wx", mode);
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(fresh, path);
}

/** The same file under a second name, or a copy where links cannot be. */
export function linkOrCopy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  const fresh = `${to}.new`;
  rmSync(fresh, { force: true });
  try {
    linkSync(from, fresh);
  } catch {
    copyFileSync(from, fresh);
  }
  renameSync(fresh, to);
  // Two names of one file stay as they are.
  rmSync(fresh, { force: true });
}
