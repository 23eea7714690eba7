/**
 * What a client trusts of a TUF repository, and the only way to extend it: root by root, then timestamp, snapshot,
 * targets, each checked by the one before it. No I/O and no clock: bytes and the time come in, a refusal is thrown
 * (UPDATE_REFUSED with its reason). What was refused changes nothing.
 *
 * Source: TUF 1.0.34, chapter 5 (numbers in comments are its sections).
 */

import { createHash } from "node:crypto";
import { assert } from "../../base/index.ts";
import {
  type Delegation,
  type MetaFile,
  parseDocument,
  type Root,
  type Snapshot,
  type TargetFile,
  type Targets,
  type Timestamp,
  type TufDocument,
} from "./tuf-document.ts";
import { countSigners, type TufKeys, type TufRole } from "./tuf-keys.ts";
import { tufReasonOf, tufRefusal } from "./tuf-refusal.ts";

/** Who says which keys sign a targets role: the root for the top one, else the role that delegates to it. */
export interface Delegator {
  readonly keys: TufKeys;
  readonly role: TufRole;
}

export class TrustedMetadata {
  #root: TufDocument<Root>;
  #timestamp: TufDocument<Timestamp> | null = null;
  #snapshot: TufDocument<Snapshot> | null = null;

  /** The root that came with this program or was trusted before; it must have signed itself. It may be expired. */
  constructor(root: Uint8Array) {
    this.#root = parseDocument("root", "root.json", root);
    requireSigners(this.#root, this.#root.content.roles.root, this.#root.content.keys);
  }

  get root(): Root {
    return this.#root.content;
  }

  /** Whether files carry their version or hash in their names. */
  get isConsistent(): boolean {
    return this.root.consistent_snapshot === true;
  }

  get timestamp(): Timestamp | null {
    return this.#timestamp?.content ?? null;
  }

  get snapshot(): Snapshot | null {
    return this.#snapshot?.content ?? null;
  }

  /**
   * 5.3: the next version of root, signed by a threshold of the old root's keys and of its own. Expiry is checked by
   * `requireFreshRoot` when there are no more. True when keys of timestamp or snapshot were rotated: what was trusted
   * of those two is forgotten, so that the owner recovers from versions a thief made too high (5.3.11).
   */
  updateRoot(bytes: Uint8Array): boolean {
    const old = this.#root.content;
    const name = `${old.version + 1}.root.json`;
    const next = parseDocument("root", name, bytes);
    requireSigners(next, old.roles.root, old.keys);
    requireSigners(next, next.content.roles.root, next.content.keys);
    requireVersion(next, old.version + 1);
    this.#root = next;
    const isRotated =
      hasOtherKeys(old.roles.timestamp, next.content.roles.timestamp) ||
      hasOtherKeys(old.roles.snapshot, next.content.roles.snapshot);
    if (isRotated) {
      this.#timestamp = null;
      this.#snapshot = null;
    }
    return isRotated;
  }

  /** 5.3.10, against freezing. */
  requireFreshRoot(nowMs: number): void {
    requireFresh(this.#root, nowMs);
  }

  /** A timestamp that was trusted before; it may be expired, and then only keeps versions from going back. */
  restoreTimestamp(bytes: Uint8Array): void {
    this.#timestamp = this.#readTimestamp(bytes);
  }

  /** 5.4: false when it has the version that is trusted already, which then stays. */
  updateTimestamp(bytes: Uint8Array, nowMs: number): boolean {
    const next = this.#readTimestamp(bytes);
    const old = this.#timestamp;
    if (old !== null) {
      if (next.content.version === old.content.version) {
        requireFresh(old, nowMs);
        return false;
      }
      requireNotOlder(next.name, next.content.version, old.content.version);
      const [found, known] = [next, old].map(
        ({ content }) => content.meta["snapshot.json"].version,
      );
      requireNotOlder("the snapshot named by timestamp.json", found ?? 0, known ?? 0);
    }
    requireFresh(next, nowMs);
    this.#timestamp = next;
    return true;
  }

  /**
   * A snapshot that was trusted before. True when it is the one that the timestamp names, whole and not expired, so
   * that none has to be fetched; else it only keeps versions from going back.
   */
  restoreSnapshot(bytes: Uint8Array, nowMs: number): boolean {
    const document = parseDocument("snapshot", "snapshot.json", bytes);
    const { keys, roles } = this.root;
    requireSigners(document, roles.snapshot, keys);
    this.#snapshot = document;
    return isCurrent(document, this.snapshotFile, nowMs);
  }

  /** 5.5: the snapshot that the timestamp names, and no older targets than before. */
  updateSnapshot(bytes: Uint8Array, nowMs: number): void {
    const file = this.snapshotFile;
    requireFile("snapshot.json", bytes, file);
    const next = parseDocument("snapshot", "snapshot.json", bytes);
    requireSigners(next, this.root.roles.snapshot, this.root.keys);
    requireVersion(next, file.version);
    for (const [name, { version }] of Object.entries(this.snapshot?.meta ?? {})) {
      const found = Object.hasOwn(next.content.meta, name) ? next.content.meta[name] : undefined;
      requireNotOlder(`${name} named by snapshot.json`, found?.version ?? 0, version);
    }
    requireFresh(next, nowMs);
    this.#snapshot = next;
  }

  /** The snapshot as the timestamp names it. */
  get snapshotFile(): MetaFile {
    assert(this.#timestamp !== null, "a snapshot is only looked at after the timestamp");
    return this.#timestamp.content.meta["snapshot.json"];
  }

  /** A targets role's metadata as the snapshot names it; null when it does not. */
  targetsFile(role: string): MetaFile | null {
    const name = `${role}.json`;
    const meta = this.snapshot?.meta ?? {};
    return Object.hasOwn(meta, name) ? (meta[name] ?? null) : null;
  }

  /** The root, for the top targets role. */
  get topDelegator(): Delegator {
    return { keys: this.root.keys, role: this.root.roles.targets };
  }

  /** 5.6: metadata of a targets role, as the snapshot names it and signed by the keys that its delegator names. */
  readTargets(role: string, delegator: Delegator, bytes: Uint8Array, nowMs: number): Targets {
    const name = `${role}.json`;
    const file = this.targetsFile(role);
    if (file === null)
      throw tufRefusal("missing", `${name} is not in the snapshot`, { file: name });
    requireFile(name, bytes, file);
    const document = parseDocument("targets", name, bytes);
    requireSigners(document, delegator.role, delegator.keys);
    requireVersion(document, file.version);
    requireFresh(document, nowMs);
    return document.content;
  }

  #readTimestamp(bytes: Uint8Array): TufDocument<Timestamp> {
    const document = parseDocument("timestamp", "timestamp.json", bytes);
    requireSigners(document, this.root.roles.timestamp, this.root.keys);
    return document;
  }
}

export function delegatorOf(targets: Targets, { keyids, threshold }: Delegation): Delegator {
  return { keys: targets.delegations?.keys ?? {}, role: { keyIds: keyids, threshold } };
}

/** Throws unless `bytes` have the length and the hashes that signed metadata names; absent ones are not asked for. */
export function requireFile(
  name: string,
  bytes: Uint8Array,
  { length, hashes }: Pick<MetaFile | TargetFile, "length" | "hashes">,
): void {
  if (length !== undefined && bytes.length !== length) throw wrongSize(name, bytes.length, length);
  for (const [algorithm, wanted] of Object.entries(hashes ?? {})) {
    const found = createHash(algorithm).update(bytes).digest("hex");
    if (found !== wanted) throw wrongHash(name, algorithm, found, wanted);
  }
}

export function wrongSize(name: string, foundBytes: number, neededBytes: number): Error {
  return tufRefusal(
    "size",
    `${name} has ${foundBytes} bytes, its signed metadata says ${neededBytes}; the download was cut off, or the ` +
      "mirror is damaged or hostile: try again or use another",
    { file: name },
  );
}

export function wrongHash(name: string, algorithm: string, found: string, needed: string): Error {
  return tufRefusal(
    "hash",
    `${name} has the ${algorithm} ${found}, its signed metadata says ${needed}; the mirror is damaged, hostile, or ` +
      "is being changed just now: try again or use another",
    { file: name },
  );
}

function requireSigners(document: TufDocument<unknown>, role: TufRole, keys: TufKeys): void {
  const { name, signatures, message } = document;
  const count = countSigners(role, keys, signatures, message);
  if (count >= role.threshold) return;
  throw tufRefusal(
    "signatures",
    `${name} is signed by ${count} of the keys trusted for it, needed ${role.threshold}; do not use this mirror, ` +
      "and tell the publisher",
    { file: name, found: count, needed: role.threshold },
  );
}

function requireVersion(document: TufDocument<{ version: number }>, needed: number): void {
  const { name, content } = document;
  if (content.version === needed) return;
  throw tufRefusal("version", `${name} is version ${content.version}, needed ${needed}`, {
    file: name,
  });
}

function requireNotOlder(what: string, found: number, known: number): void {
  if (found >= known) return;
  throw tufRefusal(
    "rollback",
    `${what} went back: found ${found === 0 ? "none" : `version ${found}`}, version ${known} was trusted before; the ` +
      "mirror is behind or hostile: use another",
    { file: what, found, needed: known },
  );
}

function requireFresh(document: TufDocument<{ expires: number }>, nowMs: number): void {
  const { name, content } = document;
  if (nowMs < content.expires) return;
  throw tufRefusal(
    "expired",
    `${name} expired at ${new Date(content.expires).toISOString()}, now it is ${new Date(nowMs).toISOString()}; the ` +
      "mirror holds newer ones back, or the publisher has to sign anew",
    { file: name, expiredAt: content.expires },
  );
}

function isCurrent(document: TufDocument<Snapshot>, file: MetaFile, nowMs: number): boolean {
  try {
    requireFile(document.name, document.bytes, file);
    requireVersion(document, file.version);
    requireFresh(document, nowMs);
    return true;
  } catch (error) {
    if (tufReasonOf(error) === undefined) throw error;
    return false;
  }
}

function hasOtherKeys(old: TufRole, next: TufRole): boolean {
  const ids = new Set(old.keyIds);
  return next.keyIds.length !== ids.size || next.keyIds.some((id) => !ids.has(id));
}
