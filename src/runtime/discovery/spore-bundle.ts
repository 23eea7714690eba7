/** Records with the time they were heard of, and the best proof known: the cache's file and the reply to a pull. */

import { PROOF_BYTES_MAX, SIGNED_RECORD_BYTES_MAX } from "../../domain/spore/index.ts";
import {
  bytes,
  decodeCbor,
  encodeCbor,
  integer,
  list,
  malformed,
  mapped,
  nullable,
  object,
  type Shape,
} from "../../domain/wire/index.ts";

export interface BundledRecord {
  /** An encoded signed record. */
  readonly record: Uint8Array;
  readonly seenAtMs: number;
}

export interface SporeBundle {
  readonly records: readonly BundledRecord[];
  /** An encoded primary proof. */
  readonly proof: Uint8Array | null;
}

export const BUNDLE_BYTES_MAX = 8 << 20;
const RECORDS_MAX = 10_000;
const HEAD_BYTES = 1_024;
const RECORD_HEAD_BYTES = 32;

const timeMs: Shape<number> = (value, path) =>
  integer()(typeof value === "bigint" ? Number(value) : value, path);

const bundleShape: Shape<SporeBundle> = object({
  records: list(
    object({
      record: mapped(bytes(SIGNED_RECORD_BYTES_MAX), (view) => view.slice()),
      seenAtMs: timeMs,
    }),
    RECORDS_MAX,
  ),
  proof: nullable(mapped(bytes(PROOF_BYTES_MAX), (view) => view.slice())),
});

/** As many records as fit `sizeBytesMax`, the most recently seen first. */
export function encodeBundle(bundle: SporeBundle, sizeBytesMax: number): Uint8Array {
  const recent = [...bundle.records].sort((a, b) => b.seenAtMs - a.seenAtMs).slice(0, RECORDS_MAX);
  const records: { record: Uint8Array; seenAtMs: number }[] = [];
  let sizeBytes = HEAD_BYTES + (bundle.proof?.length ?? 0);
  for (const { record, seenAtMs } of recent) {
    sizeBytes += record.length + RECORD_HEAD_BYTES;
    if (sizeBytes > sizeBytesMax) break;
    records.push({ record, seenAtMs });
  }
  return encodeCbor({ records, proof: bundle.proof });
}

/** Throws MALFORMED. */
export function decodeBundle(encoded: Uint8Array): SporeBundle {
  if (encoded.length > BUNDLE_BYTES_MAX) throw malformed("spores", "a shorter bundle", encoded);
  return bundleShape(decodeCbor(encoded), "spores");
}
