/**
 * A core as another build of the runtime would be: it does the same, and nearly every chunk with machine code in it
 * differs. The displacement of long no-operations, which pad between functions and before loops, means nothing.
 */

const PROGRAM_HEADERS_AT = 32;
const HEADER_SIZE_AT = 54;
const EXECUTABLE_FLAG = 1;
/** nopl 0x00000000(%rax,%rax,1) of x86-64; its last four bytes are the displacement. */
const LONG_NOP = Buffer.from([0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0]);

/** Throws for what is no ELF file of x86-64. */
export function otherRuntime(core: Buffer): Buffer {
  if (core.readUInt32BE(0) !== 0x7f454c46 || core.readUInt16LE(18) !== 62) {
    throw new Error("Cannot make another build of the runtime: the core is not of x86-64");
  }
  const changed = Buffer.from(core);
  for (const { start, end } of codeOf(core)) {
    for (let at = core.indexOf(LONG_NOP, start); at >= 0 && at < end; ) {
      changed[at + LONG_NOP.length - 1] = 1;
      at = core.indexOf(LONG_NOP, at + LONG_NOP.length);
    }
  }
  return changed;
}

/** Where in the file code lies. */
function codeOf(core: Buffer): { readonly start: number; readonly end: number }[] {
  const first = Number(core.readBigUInt64LE(PROGRAM_HEADERS_AT));
  const sizeBytes = core.readUInt16LE(HEADER_SIZE_AT);
  const count = core.readUInt16LE(HEADER_SIZE_AT + 2);
  return Array.from({ length: count }, (_, i) => first + i * sizeBytes).flatMap((at) => {
    if ((core.readUInt32LE(at + 4) & EXECUTABLE_FLAG) === 0) return [];
    const start = Number(core.readBigUInt64LE(at + 8));
    return [{ start, end: start + Number(core.readBigUInt64LE(at + 32)) }];
  });
}
