/**
 * A batch as the payload of a log entry. Hostile input is MALFORMED. Format 2 is format 1 and the name of a table to
 * check; a batch without one is written as format 1.
 */

import { assert } from "../../base/index.ts";
import { PackReader, PackWriter } from "../sql/index.ts";
import type { Batch, SignedBundle } from "./batch.ts";
import { BUNDLE_LIMITS } from "./bundle-codec.ts";

const VERSION = 1;
const VERSION_CHECK = 2;
const SEED_SIZE = 16;
const SIGNATURE_SIZE = 64;
const DIGEST_SIZE = 32;
const BUNDLE_COUNT_MAX = 10_000;
const SKIPPED_COUNT_MAX = 1_000_000;
/** Bytes of the name of a table that can be checked. */
export const CHECK_BYTES_MAX = 1_024;

export function encodeBatch(batch: Batch): Uint8Array {
  const writer = new PackWriter();
  const { check, bundles } = batch;
  assert(check === null || bundles.length === 0, "a batch with requests checks no table");
  writer.u8(check === null ? VERSION : VERSION_CHECK);
  writer.varint(batch.context.timeMs);
  writeFixed(writer, batch.context.seed, SEED_SIZE);
  writer.varint(batch.bundles.length);
  for (const { payload, signature } of batch.bundles) {
    writeFixed(writer, signature, SIGNATURE_SIZE);
    writer.bytes(payload);
  }
  writer.varint(batch.skipped.length);
  for (const [bundle, request] of batch.skipped) {
    writer.varint(bundle);
    writer.varint(request);
  }
  writeFixed(writer, batch.digest, DIGEST_SIZE);
  if (check !== null) writer.text(check);
  return writer.finish();
}

/** Whether an encoded batch names a table to check. */
export function checksTable(bytes: Uint8Array): boolean {
  return bytes[0] === VERSION_CHECK;
}

/** The pinned time of an encoded batch. Throws MALFORMED. */
export function readBatchTimeMs(bytes: Uint8Array): number {
  const reader = new PackReader(bytes, "a batch");
  reader.u8();
  return reader.varint(Number.MAX_SAFE_INTEGER);
}

/** Throws MALFORMED. */
export function decodeBatch(bytes: Uint8Array): Batch {
  const reader = new PackReader(bytes, "a batch");
  const version = reader.u8();
  if (version !== VERSION && version !== VERSION_CHECK) {
    throw reader.damaged(`format ${version}, needed ${VERSION} or ${VERSION_CHECK},`);
  }
  const timeMs = reader.varint(Number.MAX_SAFE_INTEGER);
  const seed = reader.raw(SEED_SIZE);
  const bundles: SignedBundle[] = [];
  for (let left = reader.count(BUNDLE_COUNT_MAX, SIGNATURE_SIZE); left > 0; left--) {
    const signature = reader.raw(SIGNATURE_SIZE);
    bundles.push({ payload: reader.bytes(BUNDLE_LIMITS.sizeBytesMax), signature });
  }
  const skipped: (readonly [number, number])[] = [];
  for (let left = reader.count(SKIPPED_COUNT_MAX, 2); left > 0; left--) {
    const bundle = reader.varint(BUNDLE_COUNT_MAX);
    skipped.push([bundle, reader.varint(BUNDLE_LIMITS.requestCountMax)]);
  }
  const digest = reader.raw(DIGEST_SIZE);
  const check = version === VERSION_CHECK ? reader.text(CHECK_BYTES_MAX) : null;
  if (check !== null && bundles.length > 0) throw reader.damaged("requests beside a check");
  reader.end();
  return { context: { timeMs, seed }, bundles, skipped, digest, check };
}

function writeFixed(writer: PackWriter, bytes: Uint8Array, size: number): void {
  assert(bytes.length === size, "a field of a batch has another size", bytes.length);
  writer.raw(bytes);
}
