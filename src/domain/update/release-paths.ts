/**
 * Where the files of a release lie in its directory, as percent-encoded paths: any name of a role or target stays
 * inside. With consistent snapshots a file's name says which one it is, so a mirror may be changed under a client.
 * Source: TUF 1.0.34, 6.2.
 */

import type { TargetFile } from "./tuf-document.ts";
import { tufRefusal } from "./tuf-refusal.ts";

export interface TargetDigest {
  readonly algorithm: "sha256" | "sha512";
  readonly hex: string;
}

/** The hash that a target is checked by. Throws UPDATE_REFUSED (hash) when its metadata has none that is known. */
export function targetDigest(name: string, { hashes }: TargetFile): TargetDigest {
  if (hashes.sha256 !== undefined) return { algorithm: "sha256", hex: hashes.sha256 };
  if (hashes.sha512 !== undefined) return { algorithm: "sha512", hex: hashes.sha512 };
  throw tufRefusal("hash", `${name} has neither a SHA-256 nor a SHA-512 in its metadata`, {
    file: name,
  });
}

/** `version` is null for a file that has no version in its name. */
export function metadataPath(role: string, version: number | null): string {
  const name = `${encodeURIComponent(role)}.json`;
  return version === null ? `metadata/${name}` : `metadata/${version}.${name}`;
}

/** `digest` is null where the repository has no consistent snapshots. */
export function targetPath(name: string, digest: TargetDigest | null): string {
  const parts = name.split("/").map(encodeURIComponent);
  const last = parts.pop() ?? "";
  return ["targets", ...parts, digest === null ? last : `${digest.hex}.${last}`].join("/");
}
