/**
 * Packs a core behind a launcher: the shipped file. Its parts are the launcher (a static executable), the core as one
 * zstd frame, and a trailer of 4096 bytes that says what it carries (layout: native/DESIGN.md).
 *
 * The same launcher, core and options give the same bytes.
 */

import { createHash } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import { constants, type ZstdOptions, zstdCompressSync } from "node:zlib";
import { filterBranches, type Machine } from "./branch-filter.ts";

export const TRAILER_SIZE = 4_096;
const TRAILER_SUM_OFFSET = 4_064;
const MAGIC = "MYCPAYL1";
const TRAILER_FORMAT = 1;
const FLAG_FILTERED = 1;
const VERSION_SIZE = 32;
const ELF_MACHINES: Readonly<Record<Machine, number>> = { x64: 62, arm64: 183 };
/** Covers a whole core, so that a match is found wherever it is. */
const WINDOW_LOG = 27;

/** `quick` is for trials: a tenth of the time, 30 % larger. `small` takes a minute or more. */
export type Compression = "quick" | "small";

export interface Packing {
  readonly launcher: Uint8Array;
  readonly core: Uint8Array;
  readonly machine: Machine;
  /** Up to 32 printable characters. */
  readonly version: string;
  readonly stateFormat: number;
  readonly compression: Compression;
}

/** The whole shipped file. */
export function packShipped(packing: Packing): Uint8Array {
  const payload = compressCore(packing.core, packing.machine, packing.compression);
  return Buffer.concat([packing.launcher, payload, trailerOf(packing, payload)]);
}

/** Written beside and renamed, so that a running executable can be replaced. */
export function writeShipped(path: string, packing: Packing): void {
  writeFileSync(`${path}.new`, packShipped(packing), { mode: 0o755 });
  renameSync(`${path}.new`, path);
}

/** One zstd frame over the filtered core. */
export function compressCore(
  core: Uint8Array,
  machine: Machine,
  compression: Compression,
): Uint8Array {
  const filtered = Uint8Array.from(core);
  filterBranches(machine, filtered);
  return zstdCompressSync(filtered, zstdOptions(compression));
}

function zstdOptions(compression: Compression): ZstdOptions {
  if (compression === "quick") return { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
  return {
    params: {
      [constants.ZSTD_c_compressionLevel]: 22,
      [constants.ZSTD_c_windowLog]: WINDOW_LOG,
      [constants.ZSTD_c_enableLongDistanceMatching]: 1,
    },
  };
}

function trailerOf(packing: Packing, payload: Uint8Array): Uint8Array {
  const { launcher, core, version } = packing;
  if (!/^[!#-[\]-~]{1,32}$/.test(version)) {
    throw new Error(`Cannot pack: found version "${version}", needed 1 to 32 characters of ASCII`);
  }
  const trailer = Buffer.alloc(TRAILER_SIZE);
  trailer.write(MAGIC, 0, "latin1");
  trailer.writeUInt32LE(TRAILER_FORMAT, 8);
  trailer.writeUInt32LE(FLAG_FILTERED, 12);
  trailer.writeUInt16LE(ELF_MACHINES[packing.machine], 16);
  trailer.writeUInt32LE(packing.stateFormat, 20);
  trailer.writeBigUInt64LE(BigInt(launcher.length), 24);
  trailer.writeBigUInt64LE(BigInt(payload.length), 32);
  trailer.writeBigUInt64LE(BigInt(core.length), 40);
  trailer.set(sha256(core), 48);
  trailer.set(sha256(payload), 80);
  trailer.write(version.slice(0, VERSION_SIZE), 112, "latin1");
  trailer.set(sha256(launcher), 144);
  trailer.set(sha256(trailer.subarray(0, TRAILER_SUM_OFFSET)), TRAILER_SUM_OFFSET);
  return trailer;
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}
