/**
 * Gives memory back that an idle process does not need: what loading left behind, and pages of the executable that are
 * not in use now. On a small board both are somebody else's memory.
 */

import { dlopen, FFIType } from "bun:ffi";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { sectionRange } from "./elf-section.ts";

/** madvise(2): of an unchanged file mapping it drops the pages from this process; a later use reads them back. */
const MADV_DONTNEED = 4;
/** The compiled program and its bytecode, which is read once. */
const PROGRAM_SECTION = ".bun";
/** proc_pid_pagemap(5): 8 bytes a page; bit 63 says present, bit 61 that it is still the file's. */
const PRESENT_BIT = 63n;
const FILE_BIT = 61n;

interface Range {
  readonly from: bigint;
  readonly to: bigint;
}

/** Collects garbage and gives all caches back, compiled code included: what runs next is compiled anew. */
export function collectGarbage(): void {
  Bun.gc(true);
  Bun.shrink();
}

/** Drops the executable's unchanged pages from this process; they come back from the file as they are used. */
export function dropFilePages(): void {
  const libc = dlopen("libc.so.6", {
    madvise: { args: [FFIType.u64, FFIType.u64, FFIType.i32], returns: FFIType.i32 },
    getpagesize: { args: [], returns: FFIType.i32 },
  });
  const pageBytes = BigInt(libc.symbols.getpagesize());
  // Advice: whether the kernel takes it changes nothing but the memory in use.
  for (const { from, to } of [...unchangedMappings(process.execPath), ...programRange(pageBytes)]) {
    libc.symbols.madvise(from, to - from, MADV_DONTNEED);
  }
  libc.close();
}

/** Mappings of a file that cannot be written to, and that hold nothing but the file. */
function unchangedMappings(file: string): Range[] {
  const ranges: Range[] = [];
  let current: Range | null = null;
  for (const line of readFileSync("/proc/self/smaps", "utf8").split("\n")) {
    const [, from, to, path] =
      /^([0-9a-f]+)-([0-9a-f]+) r-[-x]p \S+ \S+ \d+ +(\S.*)$/.exec(line) ?? [];
    if (from !== undefined && path === file) {
      current = { from: BigInt(`0x${from}`), to: BigInt(`0x${to}`) };
    } else if (/^[0-9a-f]+-/.test(line)) current = null;
    else if (current !== null && /^Anonymous:\s+0 kB/.test(line)) ranges.push(current);
  }
  return ranges;
}

/** It lies in a mapping that could be written to; nobody does, but a page that is not the file's any more stays. */
function programRange(pageBytes: bigint): Range[] {
  const section = sectionRange(process.execPath, PROGRAM_SECTION);
  if (section === null) return [];
  const first = (section.from + pageBytes - 1n) / pageBytes;
  const end = section.to / pageBytes;
  if (end <= first || !areUnchanged(first, end)) return [];
  return [{ from: first * pageBytes, to: end * pageBytes }];
}

function areUnchanged(firstPage: bigint, endPage: bigint): boolean {
  const entries = Buffer.alloc(Number((endPage - firstPage) * 8n));
  const file = openSync("/proc/self/pagemap", "r");
  try {
    const readBytes = readSync(file, entries, 0, entries.length, firstPage * 8n);
    if (readBytes !== entries.length) return false;
  } finally {
    closeSync(file);
  }
  for (let at = 0; at < entries.length; at += 8) {
    const entry = entries.readBigUInt64LE(at);
    const isPresent = ((entry >> PRESENT_BIT) & 1n) === 1n;
    if (isPresent && ((entry >> FILE_BIT) & 1n) === 0n) return false;
  }
  return true;
}
