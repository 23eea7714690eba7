/**
 * A TUF repository to attack: it publishes a release as build/release does, and lets a test sign anything with any
 * keys. What it serves is a map by path, so that a test can also swap, cut or withhold files.
 */

import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { Origin } from "../../../src/adapters/release/origin.ts";
import { StoreOrigin } from "../../../src/adapters/release/store-origin.ts";
import { utf8 } from "../../../src/base/index.ts";
import {
  canonicalJson,
  type JsonObject,
  metadataPath,
  targetNames,
  targetPath,
} from "../../../src/domain/update/index.ts";

export const ROLES = ["root", "targets", "snapshot", "timestamp"] as const;
export type RoleName = (typeof ROLES)[number];

const DAY_MS = 86_400_000;
/** When the tests take place. */
export const NOW_MS = Date.UTC(2026, 10, 20);

export interface TestKey {
  readonly id: string;
  readonly listed: JsonObject;
  readonly secret: KeyObject;
}

export function makeKey(): TestKey {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const point = publicKey.export({ format: "jwk" }).x ?? "";
  const listed = {
    keytype: "ed25519",
    scheme: "ed25519",
    keyval: { public: Buffer.from(point, "base64url").toString("hex") },
  };
  return { id: sha256(canonicalJson(listed)), listed, secret: privateKey };
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

interface Target {
  readonly content: Uint8Array;
  readonly custom: JsonObject | null;
}

export class TestRepository {
  /** Two of three sign root and targets. */
  readonly keys: Record<RoleName, TestKey[]> = {
    root: [makeKey(), makeKey(), makeKey()],
    targets: [makeKey(), makeKey(), makeKey()],
    snapshot: [makeKey()],
    timestamp: [makeKey()],
  };
  readonly thresholds: Record<RoleName, number> = {
    root: 2,
    targets: 2,
    snapshot: 1,
    timestamp: 1,
  };
  readonly versions: Record<RoleName, number> = { root: 0, targets: 0, snapshot: 0, timestamp: 0 };
  readonly expires: Record<RoleName, number> = {
    root: NOW_MS + 730 * DAY_MS,
    targets: NOW_MS + 365 * DAY_MS,
    snapshot: NOW_MS + 365 * DAY_MS,
    timestamp: NOW_MS + 7 * DAY_MS,
  };
  readonly targets = new Map<string, Target>();
  /** What is served, by path. */
  readonly files = new Map<string, Uint8Array>();

  /** A repository with version 1 of every role, and `version` in the channel stable. */
  static withRelease(version = "0.2.0"): TestRepository {
    const repository = new TestRepository();
    repository.addRelease(version);
    repository.publish(...ROLES);
    return repository;
  }

  get firstRoot(): Uint8Array {
    return this.files.get(metadataPath("root", 1))!;
  }

  /** Of what is served at the time of asking. */
  get origin(): Origin {
    return new StoreOrigin(async (path) => this.files.get(path) ?? null);
  }

  addRelease(version: string, overrides: JsonObject = {}): void {
    for (const arch of ["x64", "arm64"] as const) {
      const names = targetNames(version, arch);
      const custom = {
        version,
        channel: "stable",
        stateFormat: 1,
        protocol: 3,
        minProtocol: 2,
        coreSha256: sha256(utf8(`core ${version} ${arch}`)),
        coreSize: 110_000_000,
        sqlite: "3.53.4",
        builtAt: NOW_MS - DAY_MS,
        ...overrides,
      };
      this.targets.set(names.shipped, { content: bytesOf(names.shipped, 100_000), custom });
      this.targets.set(names.chunks, { content: utf8(`index of ${arch}`), custom: null });
      this.targets.set(names.pack, { content: bytesOf(names.pack, 200_000), custom: null });
    }
    this.pointChannel("stable", version);
  }

  pointChannel(channel: string, version: string): void {
    const content = utf8(JSON.stringify({ version, notes: "Mends things" }));
    this.targets.set(`channels/${channel}.json`, { content, custom: null });
  }

  /** Raises the versions of these roles by one and serves them; a document names those that are served. */
  publish(...roles: readonly RoleName[]): void {
    for (const role of ROLES.filter((name) => roles.includes(name))) {
      this.versions[role]++;
      this.serve(role, this.sign(role, this.content(role)));
    }
  }

  /** Replaces the version of a role that is served. */
  serve(role: RoleName, bytes: Uint8Array): void {
    const version = role === "timestamp" ? null : this.versions[role];
    this.files.set(metadataPath(role, version), bytes);
  }

  served(role: RoleName): Uint8Array {
    return this.files.get(metadataPath(role, role === "timestamp" ? null : this.versions[role]))!;
  }

  content(role: RoleName): JsonObject {
    const head = {
      _type: role,
      spec_version: "1.0.34",
      version: this.versions[role],
      expires: new Date(this.expires[role]).toISOString().replace(/\.\d+Z$/, "Z"),
    };
    if (role === "root") return { ...head, ...this.#rootFields() };
    if (role === "targets") return { ...head, targets: this.#serveTargets() };
    const named = role === "snapshot" ? "targets" : "snapshot";
    const bytes = this.served(named);
    const file = {
      version: this.versions[named],
      length: bytes.length,
      hashes: { sha256: sha256(bytes) },
    };
    return { ...head, meta: { [`${named}.json`]: file } };
  }

  /** By the role's keys unless others are given. */
  sign(
    role: RoleName,
    content: JsonObject,
    keys: readonly TestKey[] = this.keys[role],
  ): Uint8Array {
    const message = canonicalJson(content);
    const signatures = keys.map(({ id, secret }) => ({
      keyid: id,
      sig: sign(null, message, secret).toString("hex"),
    }));
    return utf8(JSON.stringify({ signatures, signed: content }));
  }

  /** A state to come back to, as a mirror that kept old files. */
  snapshotOfFiles(): ReadonlyMap<string, Uint8Array> {
    return new Map(this.files);
  }

  serveAgain(files: ReadonlyMap<string, Uint8Array>): void {
    this.files.clear();
    for (const [path, bytes] of files) this.files.set(path, bytes);
  }

  #rootFields(): JsonObject {
    const keys: Record<string, JsonObject> = {};
    const roles: Record<string, JsonObject> = {};
    for (const role of ROLES) {
      for (const { id, listed } of this.keys[role]) keys[id] = listed;
      const keyids = this.keys[role].map(({ id }) => id);
      roles[role] = { keyids, threshold: this.thresholds[role] };
    }
    return { consistent_snapshot: true, keys, roles };
  }

  #serveTargets(): JsonObject {
    const named: Record<string, JsonObject> = {};
    for (const [name, { content, custom }] of this.targets) {
      const hex = sha256(content);
      this.files.set(targetPath(name, { algorithm: "sha256", hex }), content);
      const file = { length: content.length, hashes: { sha256: hex } };
      named[name] = custom === null ? file : { ...file, custom };
    }
    return named;
  }
}

const made = new Map<string, Uint8Array>();

/** The same for the same name, and unlike for others. Not to be changed. */
function bytesOf(name: string, sizeBytes: number): Uint8Array {
  const known = made.get(name);
  if (known !== undefined) return known;
  const seed = createHash("sha256").update(name).digest();
  const bytes = Uint8Array.from({ length: sizeBytes }, (_, i) => (seed[i % 32]! + (i >> 5)) & 0xff);
  made.set(name, bytes);
  return bytes;
}
