/** A shipped file in small: any bytes as launcher and payload, and the trailer that goes with them. */

import { createHash } from "node:crypto";

const TRAILER_SIZE = 4_096;
const CHECKSUM_AT = 4_064;

export interface ShippedFileOptions {
  readonly version: string;
  readonly machine?: number;
  readonly launcherSha256?: Uint8Array;
}

export function shippedFile(options: ShippedFileOptions): Buffer {
  const { version, machine = process.arch === "x64" ? 62 : 183 } = options;
  const launcher = Buffer.from(`launcher of ${version}`);
  const payload = Buffer.from(`payload of ${version}`);
  const trailer = Buffer.alloc(TRAILER_SIZE);
  trailer.write("MYCPAYL1", 0);
  trailer.writeUInt32LE(1, 8);
  trailer.writeUInt16LE(machine, 16);
  trailer.writeUInt32LE(1, 20);
  trailer.writeBigUInt64LE(BigInt(launcher.length), 24);
  trailer.writeBigUInt64LE(BigInt(payload.length), 32);
  trailer.writeBigUInt64LE(1n, 40);
  trailer.set(digest(payload), 48);
  trailer.set(digest(payload), 80);
  trailer.write(version, 112);
  trailer.set(options.launcherSha256 ?? digest(launcher), 144);
  trailer.set(digest(trailer.subarray(0, CHECKSUM_AT)), CHECKSUM_AT);
  return Buffer.concat([launcher, payload, trailer]);
}

function digest(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}
