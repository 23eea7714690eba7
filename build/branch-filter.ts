/**
 * A filter over machine code that makes it compress better and can be undone: a call holds the distance to what it
 * calls, so that two calls of one function differ; here the distance becomes the target. It saves 2 to 3 MB of the
 * shipped file. The inverse is native/launcher/branch-filter.c; both know the core by its offsets in the file.
 *
 * Opcodes are never changed and what follows one is skipped, so both directions find the same places.
 */

export type Machine = "x64" | "arm64";

/** In place. `bytes` is the whole core, below 2 GiB. */
export function filterBranches(machine: Machine, bytes: Uint8Array): void {
  if (machine === "x64") filterX64(bytes);
  else filterArm64(bytes);
}

/**
 * CALL (E8) and JMP (E9) with a 32-bit distance. A distance to inside the file becomes its target; what had that
 * target's value before takes the place that became free. All other values stay.
 */
function filterX64(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = bytes.length;
  for (let i = 0; i + 5 <= size; i++) {
    if (((bytes[i] ?? 0) & 0xfe) !== 0xe8) continue;
    const position = i + 5;
    const distance = view.getInt32(i + 1, true);
    if (distance >= -position && distance < size - position) {
      view.setInt32(i + 1, distance + position, true);
    } else if (distance >= size - position && distance < size) {
      view.setInt32(i + 1, distance - size, true);
    }
    i += 4;
  }
}

/** BL: all 26 bits turn. ADRP: pages up to 512 MiB away, so that data that looks like one mostly stays (as xz does). */
function filterArm64(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i + 4 <= bytes.length; i += 4) {
    const word = view.getUint32(i, true);
    if ((word & 0xfc000000) === -0x6c000000) {
      view.setUint32(i, 0x94000000 | ((word + (i >>> 2)) & 0x03ffffff), true);
    } else if ((word & 0x9f000000) === -0x70000000) {
      const page = ((word >>> 29) & 3) | ((word >>> 3) & 0x001ffffc);
      if (((page + 0x00020000) & 0x001c0000) !== 0) continue;
      const target = page + (i >>> 12);
      const high = (0 - (target & 0x00020000)) & 0x00e00000;
      const low = ((target & 3) << 29) | ((target & 0x0003fffc) << 3);
      view.setUint32(i, (word & 0x9000001f) | low | high, true);
    }
  }
}
