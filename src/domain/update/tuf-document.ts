/**
 * The four kinds of TUF metadata, read from bytes that nobody has verified yet: bounded, checked field by field, and
 * kept with the canonical form of what was signed. Source: TUF 1.0.34, 4.2 to 4.6.
 */

import { fromUtf8, MyceliumError } from "../../base/index.ts";
import {
  flag,
  integer,
  list,
  malformed,
  mapped,
  object,
  oneOf,
  optional,
  record,
  type Shape,
  type TypeOf,
  text,
} from "../wire/index.ts";
import { canonicalJson, type Json, type JsonObject } from "./canonical-json.ts";
import { type TufRole, type TufSignature, tufKeyShape, tufSignatureShape } from "./tuf-keys.ts";
import { tufRefusal } from "./tuf-refusal.ts";

const KEYS_MAX = 256;
const SIGNATURES_MAX = 256;
const FILES_MAX = 65_536;
const DELEGATIONS_MAX = 1_024;
const PATTERNS_MAX = 1_024;
const NAME_LENGTH_MAX = 512;
/** Metadata is flat; custom fields may be a little deeper. */
const DEPTH_MAX = 32;

const hex = (digits: number): Shape<string> =>
  mapped(text(digits), (found, path) => {
    if (found.length === digits && /^[0-9a-f]*$/.test(found)) return found;
    throw malformed(path, `${digits} lower-case hexadecimal digits`, found);
  });
const version = integer(1);
const time: Shape<number> = mapped(text(32), (found, path) => {
  const timeMs = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(found) ? Date.parse(found) : Number.NaN;
  if (Number.isNaN(timeMs)) throw malformed(path, "a UTC time like 2026-11-20T00:00:00Z", found);
  return timeMs;
});
/** Others may be there; without one of these nothing can be checked. */
const hashes = object({ sha256: optional(hex(64)), sha512: optional(hex(128)) });

const role: Shape<TufRole> = mapped(
  object({ keyids: list(text(128), KEYS_MAX), threshold: integer(1, KEYS_MAX) }),
  ({ keyids, threshold }, path) => {
    if (new Set(keyids).size === keyids.length) return { keyIds: keyids, threshold };
    throw malformed(`${path}.keyids`, "each key once", keyids);
  },
);

export type MetaFile = TypeOf<typeof metaFile>;
const metaFile = object({
  version,
  length: optional(integer(1)),
  hashes: optional(hashes),
});

export type TargetFile = TypeOf<typeof targetFile>;
const targetFile = object({
  length: integer(0),
  hashes,
  custom: optional<unknown>((value) => value),
});

export type Root = TypeOf<typeof rootShape>;
const rootShape = object({
  version,
  expires: time,
  consistent_snapshot: optional(flag),
  keys: record(tufKeyShape, KEYS_MAX),
  roles: object({ root: role, timestamp: role, snapshot: role, targets: role }),
});

export type Timestamp = TypeOf<typeof timestampShape>;
const timestampShape = object({
  version,
  expires: time,
  meta: object({ "snapshot.json": metaFile }),
});

export type Snapshot = TypeOf<typeof snapshotShape>;
const snapshotShape = object({ version, expires: time, meta: record(metaFile, FILES_MAX) });

export type Delegation = TypeOf<typeof delegation>;
const delegation = mapped(
  object({
    name: text(128),
    keyids: list(text(128), KEYS_MAX),
    threshold: integer(1, KEYS_MAX),
    terminating: flag,
    paths: optional(list(text(NAME_LENGTH_MAX), PATTERNS_MAX)),
    path_hash_prefixes: optional(list(text(64), PATTERNS_MAX)),
  }),
  (found, path) => {
    // Succinct delegations (TAP 15) are not for repositories of a few files.
    const isSelective = (found.paths === undefined) !== (found.path_hash_prefixes === undefined);
    if (isSelective && !TOP_LEVEL_ROLES.has(found.name)) return found;
    throw malformed(path, "a delegation by paths or by hash prefixes, of a name of its own", found);
  },
);
const TOP_LEVEL_ROLES: ReadonlySet<string> = new Set(["root", "timestamp", "snapshot", "targets"]);

export type Targets = TypeOf<typeof targetsShape>;
const targetsShape = object({
  version,
  expires: time,
  targets: record(targetFile, FILES_MAX),
  delegations: optional(
    object({
      keys: record(tufKeyShape, KEYS_MAX),
      roles: list(delegation, DELEGATIONS_MAX),
    }),
  ),
});

export interface TufDocument<T> {
  /** For messages: "2.root.json". */
  readonly name: string;
  readonly content: T;
  readonly signatures: readonly TufSignature[];
  /** The canonical form of what was signed. */
  readonly message: Uint8Array;
  /** As received. */
  readonly bytes: Uint8Array;
}

export type TufKind = "root" | "timestamp" | "snapshot" | "targets";
export interface TufContent {
  readonly root: Root;
  readonly timestamp: Timestamp;
  readonly snapshot: Snapshot;
  readonly targets: Targets;
}
const SHAPES: { readonly [K in TufKind]: Shape<TufContent[K]> } = {
  root: rootShape,
  timestamp: timestampShape,
  snapshot: snapshotShape,
  targets: targetsShape,
};

/** Nothing of it is verified. Throws UPDATE_REFUSED (malformed). */
export function parseDocument<K extends TufKind>(
  kind: K,
  name: string,
  bytes: Uint8Array,
): TufDocument<TufContent[K]> {
  try {
    const document = envelope(JSON.parse(fromUtf8(bytes)), name);
    const path = `${name}.signed`;
    header(document.signed, path)._type === kind || wrongKind(kind, path);
    const signed = document.signed as Json;
    checkJson(signed, path, 0);
    return {
      name,
      content: SHAPES[kind](signed, path),
      signatures: document.signatures,
      message: canonicalJson(signed),
      bytes,
    };
  } catch (error) {
    const isExpected = error instanceof MyceliumError || error instanceof SyntaxError;
    if (!isExpected && !(error instanceof TypeError) && !(error instanceof RangeError)) throw error;
    const found = error instanceof MyceliumError ? error.message : "it is no JSON in UTF-8";
    throw tufRefusal("malformed", `${name} is not in the form it needs: ${found}`, { file: name });
  }
}

const envelope = mapped(
  object({
    signed: ((value) => value) as Shape<unknown>,
    signatures: list(tufSignatureShape, SIGNATURES_MAX),
  }),
  (found, path) => {
    const ids = new Set(found.signatures.map(({ keyid }) => keyid));
    if (ids.size === found.signatures.length) return found;
    throw malformed(`${path}.signatures`, "at most one of each key", found.signatures);
  },
);

/** Version 1 of the format, whatever its minor version. */
const header = object({
  _type: oneOf("root", "timestamp", "snapshot", "targets"),
  spec_version: mapped(text(32), (found, path) => {
    if (/^1(\.\d+){1,2}$/.test(found)) return found;
    throw malformed(path, "version 1 of TUF", found);
  }),
});

function wrongKind(kind: TufKind, path: string): never {
  throw new MyceliumError("MALFORMED", `Cannot read ${path}: needed metadata of the role ${kind}`);
}

/** What canonical JSON cannot say was never signed; what is too deep is not walked. */
function checkJson(value: Json, path: string, depth: number): void {
  if (depth > DEPTH_MAX) throw malformed(path, `at most ${DEPTH_MAX} levels`, value);
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw malformed(path, "integers only", value);
  }
  if (typeof value !== "object" || value === null) return;
  for (const item of Object.values(value as JsonObject)) checkJson(item, path, depth + 1);
}
