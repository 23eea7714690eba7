/**
 * The publisher's keys, one PEM file each: Ed25519 for the TUF roles (root-1 to root-3, targets-1 to targets-3,
 * snapshot, timestamp), ECDSA P-256 for SHA256SUMS (release), which every openssl verifies. A private key is NAME.pem
 * in the directory, or the variable MYCELIUM_KEY_NAME; a key kept elsewhere leaves its public half, NAME.pub.
 */

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { canonicalJson } from "../../src/domain/update/index.ts";
import { writeSynced } from "./files.ts";

export const ROLES = ["root", "targets", "snapshot", "timestamp"] as const;
export type RoleName = (typeof ROLES)[number];

/** A stolen single key of a role with several is worth nothing. */
export const ROLE_THRESHOLDS: Readonly<Record<RoleName, number>> = {
  root: 2,
  targets: 2,
  snapshot: 1,
  timestamp: 1,
};
const ROLE_KEYS: Readonly<Record<RoleName, readonly string[]>> = {
  root: ["root-1", "root-2", "root-3"],
  targets: ["targets-1", "targets-2", "targets-3"],
  snapshot: ["snapshot"],
  timestamp: ["timestamp"],
};
const RELEASE_KEY = "release";
const NAMES = [...ROLES.flatMap((role) => ROLE_KEYS[role]), RELEASE_KEY];

/** A TUF key as root.json lists it. */
export interface PublicKey {
  readonly id: string;
  readonly publicHex: string;
}

export interface Signer {
  readonly id: string;
  readonly key: KeyObject;
}

export class KeyDirectory {
  readonly directory: string;
  readonly #environment: Readonly<Record<string, string | undefined>>;

  constructor(
    directory: string,
    environment: Readonly<Record<string, string | undefined>> = process.env,
  ) {
    this.directory = directory;
    this.#environment = environment;
  }

  /** All keys of a role, also those whose private half is elsewhere. Throws where one is unknown. */
  publicKeys(role: RoleName): PublicKey[] {
    return ROLE_KEYS[role].map((name) => {
      const key = this.#public(name);
      if (key !== null) return describe(key);
      throw new Error(
        `Cannot list the keys of ${role}: found neither ${name}.pem nor ${name}.pub in ${this.directory}; ` +
          "make keys with `build/release --make-keys DIR`",
      );
    });
  }

  /** The private keys of a role that are here: none, some or all. */
  signers(role: RoleName): Signer[] {
    return ROLE_KEYS[role].flatMap((name) => {
      const key = this.#private(name);
      return key === null ? [] : [{ id: describe(createPublicKey(key)).id, key }];
    });
  }

  /** Signs SHA256SUMS. */
  releaseKey(): KeyObject {
    const key = this.#private(RELEASE_KEY);
    if (key !== null) return key;
    throw new Error(
      `Cannot sign SHA256SUMS: found no ${RELEASE_KEY}.pem in ${this.directory}; name the directory with --keys`,
    );
  }

  #private(name: string): KeyObject | null {
    const pem = this.#environment[variableOf(name)] ?? this.#file(`${name}.pem`);
    return pem === null || pem === "" ? null : parse(name, () => createPrivateKey(pem));
  }

  #public(name: string): KeyObject | null {
    const pem = this.#file(`${name}.pub`);
    if (pem !== null) return parse(name, () => createPublicKey(pem));
    const key = this.#private(name);
    return key === null ? null : createPublicKey(key);
  }

  #file(name: string): string | null {
    const path = join(this.directory, name);
    if (!existsSync(path)) return null;
    if (name.endsWith(".pem") && (statSync(path).mode & 0o077) !== 0) {
      throw new Error(`Cannot use ${path}: others may read it; chmod 600 it, and think who has`);
    }
    return readFileSync(path, "utf8");
  }
}

/** Makes every key in a directory that does not exist yet, or is empty. */
export function makeKeys(directory: string): void {
  if (existsSync(directory) && readdirSync(directory).length > 0) {
    throw new Error(
      `Cannot make keys in ${directory}: it is not empty, and keys are never replaced`,
    );
  }
  const fresh = `${directory}.new-${process.pid}`;
  mkdirSync(fresh, { recursive: true, mode: 0o700 });
  for (const name of NAMES) {
    const pair =
      name === RELEASE_KEY
        ? generateKeyPairSync("ec", { namedCurve: "P-256" })
        : generateKeyPairSync("ed25519");
    const pem = pair.privateKey.export({ format: "pem", type: "pkcs8" });
    writeSynced(join(fresh, `${name}.pem`), pem, 0o600);
    writeSynced(join(fresh, `${name}.pub`), pair.publicKey.export({ format: "pem", type: "spki" }));
  }
  renameSync(fresh, directory);
}

export function publicPem(key: KeyObject): string {
  return createPublicKey(key).export({ format: "pem", type: "spki" }).toString();
}

function variableOf(name: string): string {
  return `MYCELIUM_KEY_${name.toUpperCase().replaceAll("-", "_")}`;
}

function parse(name: string, read: () => KeyObject): KeyObject {
  let key: KeyObject;
  try {
    key = read();
  } catch (cause) {
    throw new Error(`Cannot read the key ${name}: it is no PEM`, { cause });
  }
  const needed = name === RELEASE_KEY ? "ec" : "ed25519";
  if (key.asymmetricKeyType === needed) return key;
  throw new Error(
    `Cannot use the key ${name}: found ${key.asymmetricKeyType ?? "no key pair"}, needed ${needed}`,
  );
}

function describe(key: KeyObject): PublicKey {
  const point = key.export({ format: "jwk" }).x ?? "";
  const publicHex = Buffer.from(point, "base64url").toString("hex");
  return { id: sha256(canonicalJson(tufKey(publicHex))), publicHex };
}

export function tufKey(publicHex: string) {
  return { keytype: "ed25519", keyval: { public: publicHex }, scheme: "ed25519" } as const;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
