/** What crosses between threads in bulk, as bytes: cheaper than structured clones of many small objects. */

import { asLogIndex, type LogIndex } from "../../base/index.ts";
import {
  type BatchContext,
  BUNDLE_LIMITS,
  type BundlePart,
  type Request,
  readRequest,
  requestsOfParts,
  writeRequest,
} from "../../domain/replication/index.ts";
import {
  PackReader,
  PackWriter,
  readProgramResult,
  writeProgramResult,
} from "../../domain/sql/index.ts";
import type { BatchOutcome, CommittedBatch, RequestOutcome } from "../../ports/index.ts";

const KINDS = ["applied", "unchanged", "replayed", "alone"] as const;
const COUNT_MAX = 10_000_000;
const DIGEST_SIZE = 32;
const SEED_SIZE = 16;

/** A committed batch where it is executed. */
export interface ExecutedBatch {
  readonly index: LogIndex;
  readonly context: BatchContext;
  readonly requests: readonly Request[];
}

export function encodeRequest(request: Request): Uint8Array {
  const writer = new PackWriter();
  writeRequest(writer, request);
  return writer.finish();
}

export function decodeRequest(bytes: Uint8Array): Request {
  const reader = new PackReader(bytes, "a request");
  const request = readRequest(reader);
  reader.end();
  return request;
}

export function encodeParts(parts: readonly BundlePart[]): Uint8Array {
  const writer = new PackWriter();
  writeParts(writer, parts);
  return writer.finish();
}

export function decodeParts(bytes: Uint8Array): Request[] {
  const reader = new PackReader(bytes, "parts of bundles");
  const parts = readParts(reader);
  reader.end();
  return requestsOfParts(parts);
}

export function encodeBatches(batches: readonly CommittedBatch[]): Uint8Array {
  const writer = new PackWriter();
  writer.varint(batches.length);
  for (const { index, context, parts } of batches) {
    writer.varint(index);
    writer.varint(context.timeMs);
    writer.raw(context.seed);
    writeParts(writer, parts);
  }
  return writer.finish();
}

export function decodeBatches(bytes: Uint8Array): ExecutedBatch[] {
  const reader = new PackReader(bytes, "batches");
  const batches: ExecutedBatch[] = [];
  for (let left = reader.count(COUNT_MAX); left > 0; left--) {
    const index = asLogIndex(reader.varint(Number.MAX_SAFE_INTEGER));
    const timeMs = reader.varint(Number.MAX_SAFE_INTEGER);
    const context = { timeMs, seed: reader.raw(SEED_SIZE) };
    batches.push({ index, context, requests: requestsOfParts(readParts(reader)) });
  }
  reader.end();
  return batches;
}

export function encodeOutcome(outcome: BatchOutcome): Uint8Array {
  const writer = new PackWriter();
  writer.raw(outcome.digest);
  writer.varint(outcome.outcomes.length);
  for (const { kind, result } of outcome.outcomes) {
    writer.u8(KINDS.indexOf(kind));
    writeProgramResult(writer, result);
  }
  return writer.finish();
}

export function decodeOutcome(bytes: Uint8Array): BatchOutcome {
  const reader = new PackReader(bytes, "a batch's outcome");
  const digest = reader.raw(DIGEST_SIZE);
  const outcomes: RequestOutcome[] = [];
  for (let left = reader.count(COUNT_MAX); left > 0; left--) {
    const kind = KINDS[reader.u8()];
    if (kind === undefined) throw reader.damaged("an unknown outcome");
    outcomes.push({ kind, result: readProgramResult(reader) });
  }
  reader.end();
  return { digest, outcomes };
}

function writeParts(writer: PackWriter, parts: readonly BundlePart[]): void {
  writer.varint(parts.length);
  for (const { payload, positions } of parts) {
    writer.bytes(payload);
    writer.u8(positions === null ? 0 : 1);
    if (positions === null) continue;
    writer.varint(positions.length);
    for (const position of positions) writer.varint(position);
  }
}

function readParts(reader: PackReader): BundlePart[] {
  const parts: BundlePart[] = [];
  for (let left = reader.count(COUNT_MAX); left > 0; left--) {
    const payload = reader.view(reader.varint(BUNDLE_LIMITS.sizeBytesMax));
    parts.push({ payload, positions: reader.u8() === 0 ? null : readPositions(reader) });
  }
  return parts;
}

function readPositions(reader: PackReader): number[] {
  const positions: number[] = [];
  for (let left = reader.count(BUNDLE_LIMITS.requestCountMax); left > 0; left--) {
    positions.push(reader.varint(BUNDLE_LIMITS.requestCountMax));
  }
  return positions;
}
