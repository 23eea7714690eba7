/**
 * The four TUF documents as the publisher writes them (TUF 1.0.34, chapter 4). Signatures are over canonical JSON;
 * times are whole seconds.
 */

import { sign } from "node:crypto";
import { canonicalJson, type Json, type JsonObject } from "../../src/domain/update/index.ts";
import { sha256Of } from "./files.ts";
import {
  type KeyDirectory,
  ROLE_THRESHOLDS,
  ROLES,
  type RoleName,
  type Signer,
  tufKey,
} from "./keys.ts";

const DAY_MS = 86_400_000;
/** How long a document is good for. The timestamp is signed anew every day. */
export const LIFETIME_DAYS: Readonly<Record<RoleName, number>> = {
  root: 730,
  targets: 365,
  snapshot: 365,
  timestamp: 7,
};

export interface TargetEntry {
  readonly length: number;
  readonly hashes: { readonly sha256: string };
  readonly custom?: JsonObject;
}
export type TargetEntries = Readonly<Record<string, TargetEntry>>;

/** What is signed. */
export interface Content extends JsonObject {
  readonly version: number;
}

/** Root, with all public keys of `keys`. */
export function rootContent(keys: KeyDirectory, version: number, nowMs: number): Content {
  const listed: Record<string, JsonObject> = {};
  const roles: Record<string, JsonObject> = {};
  for (const role of ROLES) {
    const publicKeys = keys.publicKeys(role);
    for (const { id, publicHex } of publicKeys) listed[id] = tufKey(publicHex);
    roles[role] = { keyids: publicKeys.map(({ id }) => id), threshold: ROLE_THRESHOLDS[role] };
  }
  return { ...head("root", version, nowMs), consistent_snapshot: true, keys: listed, roles };
}

export function targetsContent(targets: TargetEntries, version: number, nowMs: number): Content {
  return { ...head("targets", version, nowMs), targets: targets as unknown as JsonObject };
}

/** The snapshot names the targets document, the timestamp the snapshot. */
export function snapshotContent(targets: Document, version: number, nowMs: number): Content {
  return { ...head("snapshot", version, nowMs), meta: { "targets.json": fileOf(targets) } };
}

export function timestampContent(snapshot: Document, version: number, nowMs: number): Content {
  return { ...head("timestamp", version, nowMs), meta: { "snapshot.json": fileOf(snapshot) } };
}

/** A document as it is served. */
export interface Document {
  readonly version: number;
  readonly bytes: Uint8Array;
}

/** Throws unless a threshold of the role's keys is here; all that are here sign. */
export function signDocument(
  role: RoleName,
  content: Content,
  signers: readonly Signer[],
): Document {
  const needed = ROLE_THRESHOLDS[role];
  if (new Set(signers.map(({ id }) => id)).size < needed) {
    throw new Error(
      `Cannot sign ${role}: found ${signers.length} of its private keys, needed ${needed}; name them with --keys`,
    );
  }
  const message = canonicalJson(content);
  const signatures = signers.map(({ id, key }) => ({
    keyid: id,
    sig: sign(null, message, key).toString("hex"),
  }));
  const document: Json = { signatures, signed: content };
  return { version: content.version, bytes: Buffer.from(JSON.stringify(document)) };
}

function head(role: RoleName, version: number, nowMs: number) {
  const expires = new Date(nowMs + LIFETIME_DAYS[role] * DAY_MS);
  return {
    _type: role,
    spec_version: "1.0.34",
    version,
    expires: expires.toISOString().replace(/\.\d+Z$/, "Z"),
  };
}

function fileOf({ version, bytes }: Document): JsonObject {
  return { version, length: bytes.length, hashes: { sha256: sha256Of(bytes) } };
}
