/**
 * Gives back what only the start needed. Loading leaves garbage that an idle process would keep for hours, and pages
 * of the executable's code that never run again: on a small board both are somebody else's memory.
 */

import { dlopen, FFIType } from "bun:ffi";
import { readFileSync } from "node:fs";

/** madvise(2): of a read-only file mapping it drops the pages from this process; a later use reads them back. */
const MADV_DONTNEED = 4;
const CODE_MAPPING = /^([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ \d+ +(\S.*)$/;

/** Call when the start has settled. Costs some tens of milliseconds. */
export function trimMemory(): void {
  Bun.gc(true);
  Bun.shrink();
  dropUnusedCode();
}

function dropUnusedCode(): void {
  const libc = dlopen("libc.so.6", {
    madvise: { args: [FFIType.u64, FFIType.u64, FFIType.i32], returns: FFIType.i32 },
  });
  for (const line of readFileSync("/proc/self/maps", "utf8").split("\n")) {
    const [, from, to, path] = CODE_MAPPING.exec(line) ?? [];
    if (from === undefined || to === undefined || path !== process.execPath) continue;
    const start = BigInt(`0x${from}`);
    // Advice: whether the kernel takes it changes nothing but the memory in use.
    libc.symbols.madvise(start, BigInt(`0x${to}`) - start, MADV_DONTNEED);
  }
}
