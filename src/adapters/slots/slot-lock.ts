/**
 * The lock of the slots' record: flock(2) on a file beside it, as the launcher takes it. The kernel frees it when its
 * holder dies. Neither Bun nor Node has flock.
 */

import { dlopen, FFIType } from "bun:ffi";
import { closeSync, openSync } from "node:fs";
import { MyceliumError } from "../../base/index.ts";

const LOCK_EX_NB = 2 | 4;
/** Whoever holds it writes one small file. */
const TRY_COUNT_MAX = 500;
const TRY_DELAY_MS = 20;

let flock: ((fd: number, operation: number) => number) | null = null;

/** Runs `step` while no other process changes the record. Throws OVERLOADED when the lock is not to be had. */
export async function whileLocked<T>(path: string, step: () => Promise<T>): Promise<T> {
  const fd = openSync(path, "a", 0o600);
  try {
    await take(fd, path);
    return await step();
  } finally {
    closeSync(fd);
  }
}

async function take(fd: number, path: string): Promise<void> {
  flock ??= dlopen("libc.so.6", {
    flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  }).symbols.flock;
  for (let tries = 0; flock(fd, LOCK_EX_NB) !== 0; tries++) {
    if (tries >= TRY_COUNT_MAX) {
      throw new MyceliumError(
        "OVERLOADED",
        `Cannot change the slots: another process has held ${path} for ` +
          `${(TRY_COUNT_MAX * TRY_DELAY_MS) / 1_000} s; find it with \`fuser ${path}\``,
      );
    }
    await Bun.sleep(TRY_DELAY_MS);
  }
}
