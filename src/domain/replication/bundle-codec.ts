/** A bundle's bytes: what its author signs and every replica verifies. Equal bundles have equal bytes. */

import { asGroupId, asNodeId } from "../../base/index.ts";
import { PackReader, PackWriter } from "../sql/index.ts";
import type { Bundle, Request } from "./batch.ts";
import { readRequest, writeRequest } from "./request-codec.ts";

/** The first bytes say what this is, so that a signature over it is good for nothing else. */
const DOMAIN = "mycelium-bundle-1";

export const BUNDLE_LIMITS = { requestCountMax: 10_000, sizeBytesMax: 32 * 1_048_576 } as const;

export type BundleHead = Omit<Bundle, "requests"> & { readonly requestCount: number };

const NODE_ID_SIZE_MAX = 128;
const SHARD_SIZE_MAX = 256;
/** Id, role, step count. */
const REQUEST_SIZE_MIN = 4;

export function encodeBundle(bundle: Bundle): Uint8Array {
  const writer = new PackWriter();
  writer.text(DOMAIN);
  writer.text(bundle.author);
  writer.text(bundle.shard);
  writer.varint(bundle.hybridTimeMs);
  writer.varint(bundle.requests.length);
  for (const request of bundle.requests) writeRequest(writer, request);
  return writer.finish();
}

/** What a bundle says of itself; its requests are not looked at. Throws MALFORMED or TOO_LARGE. */
export function readBundleHead(payload: Uint8Array): BundleHead {
  return readHead(readerOf(payload));
}

/** Throws MALFORMED or TOO_LARGE. Who signed it, and whether it may, is the caller's to check. */
export function decodeBundle(payload: Uint8Array): Bundle {
  const reader = readerOf(payload);
  const { author, shard, hybridTimeMs, requestCount } = readHead(reader);
  const requests: Request[] = [];
  for (let left = requestCount; left > 0; left--) requests.push(readRequest(reader));
  reader.end();
  return { author, shard, hybridTimeMs, requests };
}

function readerOf(payload: Uint8Array): PackReader {
  const reader = new PackReader(payload, "a bundle of requests");
  if (payload.length > BUNDLE_LIMITS.sizeBytesMax) throw reader.damaged(`${payload.length} bytes`);
  return reader;
}

function readHead(reader: PackReader): BundleHead {
  if (reader.text(DOMAIN.length) !== DOMAIN) throw reader.damaged("no bundle");
  const author = asNodeId(reader.text(NODE_ID_SIZE_MAX));
  const shard = asGroupId(reader.text(SHARD_SIZE_MAX));
  const hybridTimeMs = reader.varint(Number.MAX_SAFE_INTEGER);
  const requestCount = reader.count(BUNDLE_LIMITS.requestCountMax, REQUEST_SIZE_MIN);
  return { author, shard, hybridTimeMs, requestCount };
}
