/** Files that survive a power cut: written, synced, renamed, and the directory synced. */

import type { BigIntStats } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { MyceliumError, messageOf } from "../../base/index.ts";
import type { CheckedStat } from "../../domain/update/index.ts";

const READ_SIZE_BYTES = 1_048_576;

/** Replaces a small file as a whole. */
export async function writeDurably(path: string, content: string): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, "w", 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await renameDurably(temporary, path);
}

/** `from` is synced already. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncDirectory(dirname(to));
}

export async function removeDurably(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncDirectory(dirname(path));
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** SHA-256 of all bytes of an open file, as they lie on the disk. The loop stays free between reads. */
export async function hashOf(file: FileHandle): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  const buffer = new Uint8Array(READ_SIZE_BYTES);
  for (let offset = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
    if (bytesRead === 0) return hasher.digest("hex");
    hasher.update(buffer.subarray(0, bytesRead));
    offset += bytesRead;
  }
}

export async function hashOfPath(path: string): Promise<string> {
  const file = await open(path, "r");
  try {
    return await hashOf(file);
  } finally {
    await file.close();
  }
}

export function checkedStatOf({ size, mtimeNs, ino }: BigIntStats): CheckedStat {
  return { sizeBytes: size, mtimeNs, inode: ino };
}

/** Whether a file is, by its stat, the one whose hash was verified. */
export async function isAsChecked(path: string, checked: CheckedStat): Promise<boolean> {
  try {
    const found = checkedStatOf(await stat(path, { bigint: true }));
    return (
      found.sizeBytes === checked.sizeBytes &&
      found.mtimeNs === checked.mtimeNs &&
      found.inode === checked.inode
    );
  } catch {
    return false;
  }
}

/** Runs a step whose failures on the disk are expected: they come out with the action, as DISK_FULL or the like. */
export async function storing<T>(action: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    throw storageError(action, error);
  }
}

/** What the disk refused, as an expected error; anything else as it is. */
function storageError(action: string, error: unknown): unknown {
  const { code } = error as { code?: unknown };
  if (error instanceof MyceliumError || typeof code !== "string") return error;
  if (code === "ENOSPC" || code === "EDQUOT") {
    const message = `${action}: the disk is full; free some space`;
    return new MyceliumError("DISK_FULL", message, { cause: error });
  }
  return new MyceliumError("STATE_NOT_WRITABLE", `${action}: ${messageOf(error)}`, {
    cause: error,
  });
}
