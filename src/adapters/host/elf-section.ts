/** Where a section of a 64-bit little-endian ELF file that is not relocated lies in memory (elf(5)). */

import { closeSync, openSync, readSync } from "node:fs";

const HEADER_BYTES = 64;
const MAGIC = 0x464c457f;
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
/** A file with more is none that is meant here. */
const SECTION_COUNT_MAX = 256;
const NAMES_BYTES_MAX = 65_536;

/** Null when there is no such section, or this is no such file. */
export function sectionRange(path: string, name: string): { from: bigint; to: bigint } | null {
  const file = openSync(path, "r");
  const read = (offset: bigint, sizeBytes: number): Buffer => {
    const bytes = Buffer.alloc(sizeBytes);
    return bytes.subarray(0, readSync(file, bytes, 0, sizeBytes, offset));
  };
  try {
    return find(read, name);
  } finally {
    closeSync(file);
  }
}

function find(
  read: (offset: bigint, sizeBytes: number) => Buffer,
  name: string,
): { from: bigint; to: bigint } | null {
  const header = read(0n, HEADER_BYTES);
  const isElf = header.length === HEADER_BYTES && header.readUInt32LE(0) === MAGIC;
  if (!isElf || header[4] !== CLASS_64 || header[5] !== LITTLE_ENDIAN) return null;
  const entryBytes = header.readUInt16LE(0x3a);
  const count = header.readUInt16LE(0x3c);
  const namesAt = header.readUInt16LE(0x3e);
  if (entryBytes < 64 || count > SECTION_COUNT_MAX || namesAt >= count) return null;
  const table = read(header.readBigUInt64LE(0x28), count * entryBytes);
  if (table.length < count * entryBytes) return null;
  const sections = Array.from({ length: count }, (_, i) => table.subarray(i * entryBytes));
  const strings = sections[namesAt];
  if (strings === undefined) return null;
  const namesBytes = Math.min(NAMES_BYTES_MAX, Number(strings.readBigUInt64LE(0x20)));
  const names = read(strings.readBigUInt64LE(0x18), namesBytes).toString("latin1");
  for (const section of sections) {
    if (!names.startsWith(`${name}\0`, section.readUInt32LE(0))) continue;
    const from = section.readBigUInt64LE(0x10);
    return { from, to: from + section.readBigUInt64LE(0x20) };
  }
  return null;
}
