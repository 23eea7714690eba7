/** What crosses between threads in bulk, as bytes: cheaper than structured clones of many small objects. */

import { asLogIndex } from "../../base/index.ts";
import { type Request, readRequest, writeRequest } from "../../domain/replication/index.ts";
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

export function encodeRequests(requests: readonly Request[]): Uint8Array {
  const writer = new PackWriter();
  writeRequests(writer, requests);
  return writer.finish();
}

export function decodeRequests(bytes: Uint8Array): Request[] {
  const reader = new PackReader(bytes, "requests");
  const requests = readRequests(reader);
  reader.end();
  return requests;
}

export function encodeBatches(batches: readonly CommittedBatch[]): Uint8Array {
  const writer = new PackWriter();
  writer.varint(batches.length);
  for (const { index, context, requests } of batches) {
    writer.varint(index);
    writer.varint(context.timeMs);
    writer.raw(context.seed);
    writeRequests(writer, requests);
  }
  return writer.finish();
}

export function decodeBatches(bytes: Uint8Array): CommittedBatch[] {
  const reader = new PackReader(bytes, "batches");
  const batches: CommittedBatch[] = [];
  for (let left = reader.count(COUNT_MAX); left > 0; left--) {
    const index = asLogIndex(reader.varint(Number.MAX_SAFE_INTEGER));
    const timeMs = reader.varint(Number.MAX_SAFE_INTEGER);
    const context = { timeMs, seed: reader.raw(SEED_SIZE) };
    batches.push({ index, context, requests: readRequests(reader) });
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

function writeRequests(writer: PackWriter, requests: readonly Request[]): void {
  writer.varint(requests.length);
  for (const request of requests) writeRequest(writer, request);
}

function readRequests(reader: PackReader): Request[] {
  const requests: Request[] = [];
  for (let left = reader.count(COUNT_MAX); left > 0; left--) requests.push(readRequest(reader));
  return requests;
}
