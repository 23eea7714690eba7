/** What a release says of itself in its targets, and where its commit stands in time. */

import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { type Channel, type JsonObject, STATE_FORMAT } from "../../src/domain/update/index.ts";
import { MIN_PROTOCOL_VERSION, PROTOCOL_VERSION } from "../../src/domain/wire/index.ts";

const ROOT = resolve(import.meta.dir, "..", "..");

export interface CoreFacts {
  readonly coreSha256: string;
  readonly coreSizeBytes: number;
  /** Version of the SQLite inside; that of this Bun when left out. */
  readonly sqlite?: string | undefined;
}

/** The custom fields of a shipped file's target. */
export function customFields(
  arch: string,
  version: string,
  channel: Channel,
  builtAtMs: number,
  { coreSha256, coreSizeBytes, sqlite }: CoreFacts,
): JsonObject {
  return {
    version,
    arch,
    channel,
    stateFormat: STATE_FORMAT,
    protocol: protocolNumber(PROTOCOL_VERSION),
    minProtocol: protocolNumber(MIN_PROTOCOL_VERSION),
    coreSha256,
    coreSize: coreSizeBytes,
    sqlite: sqlite ?? process.versions["sqlite"] ?? "unknown",
    builtAt: builtAtMs,
  };
}

/** "1.2.x" as 1002: a patch changes nothing between peers. */
function protocolNumber(version: string): number {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major * 1_000 + minor;
}

/** Of SOURCE_DATE_EPOCH, else of the commit, in Unix milliseconds: the same for whoever builds it. */
export function commitTimeMs(environment = process.env): number {
  const epoch = environment["SOURCE_DATE_EPOCH"] || git("log", "-1", "--format=%ct");
  if (/^\d{1,11}$/.test(epoch)) return Number(epoch) * 1_000;
  throw new Error(
    "Cannot date the release: this is no git checkout; set SOURCE_DATE_EPOCH to its Unix time in seconds",
  );
}

/** Files that differ from the commit: what is built then is not what the commit says. */
export function changedFiles(): string[] {
  return git("status", "--porcelain", "--untracked-files=no").split("\n").filter(Boolean);
}

function git(...words: string[]): string {
  const { status, stdout } = spawnSync("git", words, { cwd: ROOT, encoding: "utf8" });
  return status === 0 ? stdout.trim() : "";
}
