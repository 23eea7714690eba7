/**
 * The TUF repository in a release directory: what is there, checked, and the documents that come next. Versions only
 * go up. The timestamp is last in what `nextDocuments` returns: the others are new names, which nobody reads before it.
 */

import { createPublicKey, verify } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { canonicalJson, type JsonObject, TrustedMetadata } from "../../src/domain/update/index.ts";
import { sha256Of } from "./files.ts";
import { type KeyDirectory, ROLE_THRESHOLDS, type RoleName, type Signer } from "./keys.ts";
import {
  type Document,
  rootContent,
  signDocument,
  snapshotContent,
  type TargetEntries,
  targetsContent,
  timestampContent,
} from "./metadata.ts";

interface Root {
  readonly version: number;
  readonly expires: string;
  readonly keys: Readonly<Record<string, { readonly keyval: { readonly public: string } }>>;
  readonly roles: Readonly<
    Record<RoleName, { readonly keyids: readonly string[]; readonly threshold: number }>
  >;
}

interface Listing {
  readonly version: number;
  readonly expires: string;
  readonly meta: Readonly<
    Record<string, { readonly version: number; readonly hashes: { readonly sha256: string } }>
  >;
}

interface Targets {
  readonly version: number;
  readonly expires: string;
  readonly targets: TargetEntries;
}

export interface Repository {
  readonly root: Root;
  /** The newest root as it is served. */
  readonly rootBytes: Uint8Array;
  readonly targets: Targets;
  readonly targetsBytes: Uint8Array;
  readonly snapshot: Listing;
  readonly snapshotBytes: Uint8Array;
  readonly timestamp: Listing;
  readonly timestampBytes: Uint8Array;
}

export interface StagedDocument {
  /** In the release directory. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** Null where there is none. Throws where a document is missing, altered or not signed by its role's keys. */
export function readRepository(directory: string): Repository | null {
  const folder = join(directory, "metadata");
  if (!existsSync(join(folder, "timestamp.json"))) return null;
  const timestampBytes = readDocument(folder, "timestamp.json", null);
  const { root, rootBytes } = publishedRoot(folder, timestampBytes);
  const timestamp = signedPart<Listing>(timestampBytes, "timestamp", root);
  const snapshotMeta = metaOf(timestamp, "snapshot.json");
  const snapshotName = `${snapshotMeta.version}.snapshot.json`;
  const snapshotBytes = readDocument(folder, snapshotName, snapshotMeta.hashes.sha256);
  const snapshot = signedPart<Listing>(snapshotBytes, "snapshot", root);
  const targetsMeta = metaOf(snapshot, "targets.json");
  const targetsName = `${targetsMeta.version}.targets.json`;
  const targetsBytes = readDocument(folder, targetsName, targetsMeta.hashes.sha256);
  const targets = signedPart<Targets>(targetsBytes, "targets", root);
  return {
    ...{ root, rootBytes, targets, targetsBytes },
    ...{ snapshot, snapshotBytes, timestamp, timestampBytes },
  };
}

/**
 * The newest root by which the timestamp is signed: one that came after it belongs to a change that was cut off.
 * Throws where there is none.
 */
function publishedRoot(folder: string, timestampBytes: Uint8Array) {
  const versions = readdirSync(folder)
    .flatMap((name) => /^(\d+)\.root\.json$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => b - a);
  const problems: unknown[] = [];
  for (const version of versions) {
    try {
      const rootBytes = readDocument(folder, `${version}.root.json`, null);
      const root = signedPart<Root>(rootBytes, "root", null);
      signedPart<Listing>(timestampBytes, "timestamp", root);
      return { root, rootBytes };
    } catch (problem) {
      problems.push(problem);
    }
  }
  throw problems[0] ?? new Error(`Cannot read the repository: ${folder} holds no root`);
}

/** The first root of a repository, signed by all root keys that are here. */
export function firstRoot(keys: KeyDirectory, nowMs: number): Document {
  return signDocument("root", rootContent(keys, 1, nowMs), keys.signers("root"));
}

/**
 * The next root, with the keys of `nextKeys`: signed by a threshold of the old root's keys and of its own. The same
 * directory twice renews it.
 */
export function nextRoot(
  { root }: Repository,
  keys: KeyDirectory,
  nextKeys: KeyDirectory,
  nowMs: number,
): Document {
  const old = ownSigners(root, "root", keys);
  const fresh = nextKeys.signers("root");
  if (fresh.length < ROLE_THRESHOLDS.root) signDocument("root", rootContent(nextKeys, 1, 0), fresh);
  const signers = new Map([...old, ...fresh].map((signer) => [signer.id, signer]));
  return signDocument("root", rootContent(nextKeys, root.version + 1, nowMs), [
    ...signers.values(),
  ]);
}

/** What a change publishes. `targets` null: as they are, and so is the snapshot. */
export interface Change {
  readonly targets: TargetEntries | null;
  /** A root that is published with it, which then says whose signatures count. */
  readonly root: Document | null;
}

export function nextDocuments(
  old: Repository | null,
  change: Change,
  keys: KeyDirectory,
  nowMs: number,
): StagedDocument[] {
  const staged: StagedDocument[] = [];
  const stage = (path: string, { bytes }: Document) => staged.push({ path, bytes });
  if (change.root !== null) stage(`metadata/${change.root.version}.root.json`, change.root);
  const root = change.root === null ? old?.root : signedPart<Root>(change.root.bytes, "root", null);
  if (root === undefined) throw new Error("Cannot publish: there is no root yet");
  requireFresh("root", root.expires, nowMs);
  let snapshot: Document;
  if (change.targets === null && old !== null) {
    requireFresh("targets", old.targets.expires, nowMs);
    requireFresh("snapshot", old.snapshot.expires, nowMs);
    snapshot = { version: old.snapshot.version, bytes: old.snapshotBytes };
  } else {
    const content = targetsContent(change.targets ?? {}, 1 + (old?.targets.version ?? 0), nowMs);
    const targets = signDocument("targets", content, ownSigners(root, "targets", keys));
    const listing = snapshotContent(targets, 1 + (old?.snapshot.version ?? 0), nowMs);
    snapshot = signDocument("snapshot", listing, ownSigners(root, "snapshot", keys));
    stage(`metadata/${targets.version}.targets.json`, targets);
    stage(`metadata/${snapshot.version}.snapshot.json`, snapshot);
  }
  const listing = timestampContent(snapshot, 1 + (old?.timestamp.version ?? 0), nowMs);
  const timestamp = signDocument("timestamp", listing, ownSigners(root, "timestamp", keys));
  stage("metadata/timestamp.json", timestamp);
  requireAccepted(old, staged, nowMs);
  return staged;
}

/** Nothing is published that a node which trusts what was there before would refuse. */
function requireAccepted(
  old: Repository | null,
  staged: readonly StagedDocument[],
  nowMs: number,
): void {
  const documentOf = (role: RoleName) =>
    staged.find(({ path }) => path.endsWith(`${role}.json`))?.bytes;
  const root = documentOf("root");
  const trusted = new TrustedMetadata(old?.rootBytes ?? root ?? new Uint8Array());
  if (old !== null) {
    trusted.restoreTimestamp(old.timestampBytes);
    trusted.restoreSnapshot(old.snapshotBytes, nowMs);
    if (root !== undefined) trusted.updateRoot(root);
  }
  trusted.requireFreshRoot(nowMs);
  trusted.updateTimestamp(documentOf("timestamp") ?? new Uint8Array(), nowMs);
  trusted.updateSnapshot(documentOf("snapshot") ?? old?.snapshotBytes ?? new Uint8Array(), nowMs);
  const targets = documentOf("targets") ?? old?.targetsBytes ?? new Uint8Array();
  trusted.readTargets("targets", trusted.topDelegator, targets, nowMs);
}

/** Of the keys that are here, those that `root` gives the role to. */
function ownSigners(root: Root, role: RoleName, keys: KeyDirectory): Signer[] {
  const all = keys.signers(role);
  const own = all.filter(({ id }) => root.roles[role].keyids.includes(id));
  if (own.length === 0 && all.length > 0) {
    throw new Error(
      `Cannot sign ${role}: the keys given are not those of this repository's root ${root.version}; ` +
        "give its own, or change keys with --rotate-root",
    );
  }
  return own;
}

function requireFresh(role: RoleName, expires: string, nowMs: number): void {
  if (Date.parse(expires) > nowMs) return;
  const advice =
    role === "root"
      ? "sign a new one with --rotate-root --next-keys DIR (the same keys renew it)"
      : "sign it anew with --refresh";
  throw new Error(`Cannot publish: ${role} expired at ${expires}; ${advice}`);
}

function readDocument(folder: string, name: string, sha256: string | null): Uint8Array {
  const path = join(folder, name);
  if (!existsSync(path)) throw new Error(`Cannot read the repository: ${path} is missing`);
  const bytes = readFileSync(path);
  if (sha256 === null || sha256Of(bytes) === sha256) return bytes;
  throw new Error(`Cannot read the repository: ${path} was altered: its SHA-256 is not ${sha256}`);
}

function metaOf(listing: Listing, name: string) {
  const meta = listing.meta[name];
  if (meta !== undefined) return meta;
  throw new Error(`Cannot read the repository: its metadata does not list ${name}`);
}

/** What the document says, once a threshold of the role's keys in `root` (in itself, for a root) has signed it. */
function signedPart<T extends { readonly version: number }>(
  bytes: Uint8Array,
  role: RoleName,
  root: Root | null,
): T {
  const { signed, signatures } = JSON.parse(Buffer.from(bytes).toString()) as {
    readonly signed: JsonObject;
    readonly signatures: readonly { readonly keyid: string; readonly sig: string }[];
  };
  const { keys, roles } = root ?? (signed as unknown as Root);
  const message = canonicalJson(signed);
  const { keyids, threshold } = roles[role];
  const valid = signatures.filter(({ keyid, sig }) => {
    const hex = keyids.includes(keyid) ? keys[keyid]?.keyval.public : undefined;
    return hex !== undefined && isSigned(message, hex, sig);
  });
  const count = new Set(valid.map(({ keyid }) => keyid)).size;
  if (count >= threshold) return signed as unknown as T;
  throw new Error(
    `Cannot read the repository: ${role} has ${count} valid signatures, needed ${threshold}`,
  );
}

function isSigned(message: Uint8Array, publicHex: string, signatureHex: string): boolean {
  const x = Buffer.from(publicHex, "hex").toString("base64url");
  const key = createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x } });
  return verify(null, message, key, Buffer.from(signatureHex, "hex"));
}
