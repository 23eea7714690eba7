/** Releases for trials of whole updates: this checkout's core as version 0.1.0, the next one, and bad ones. */

import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { buildCore } from "../../build/core.ts";
import { KeyDirectory, makeKeys } from "../../build/publish/keys.ts";
import { addRelease } from "../../build/publish/operations.ts";

const REPOSITORY = resolve(import.meta.dir, "../..");
const CACHE = join(REPOSITORY, ".cache/update-trials");
const DAY_MS = 86_400_000;

/** `bun run build` makes both. */
export const LAUNCHER = join(REPOSITORY, "dist/mycelium");
const CORE = join(REPOSITORY, "dist/mycelium-core");

export interface TrialRelease {
  readonly version: string;
  /** A program around the core (see buildCore); the core itself when left out. */
  readonly entry?: string;
  /** Makes the core that is released of the one that was built. */
  readonly change?: (core: Buffer) => Buffer;
  /** What its metadata says of the SQLite inside; the truth when left out. */
  readonly sqlite?: string;
}

export interface TrialReleases {
  /** What UPDATE_URL and UPDATE_ROOT are set to. */
  readonly directory: string;
  readonly root: string;
  /** SHA-256 of each version's core, what the launcher carries included. */
  readonly coreOf: ReadonlyMap<string, string>;
}

/** Makes a release directory below `scratch`; cores are built once for what they are made of. */
export async function trialReleases(
  scratch: string,
  releases: readonly TrialRelease[],
  compression: "quick" | "small" = "quick",
): Promise<TrialReleases> {
  if (!existsSync(LAUNCHER)) throw new Error(`${LAUNCHER} is missing: run \`bun run build\` first`);
  const shipped = hashOf(CORE);
  const coreOf = new Map([["0.1.0", shipped]]);
  const directory = join(scratch, "releases");
  const keys = join(scratch, "keys");
  makeKeys(keys);
  for (const { version, entry, change, sqlite } of releases) {
    const built = await builtCore(shipped, version, entry);
    const core = change === undefined ? built : join(scratch, `core-${version}`);
    if (change !== undefined) writeFileSync(core, change(readFileSync(built)), { mode: 0o755 });
    coreOf.set(version, hashOf(core));
    await addRelease({
      out: directory,
      keys: new KeyDirectory(keys, {}),
      version,
      channel: "stable",
      notes: "a trial",
      architectures: [architecture()],
      compression,
      cores: { [architecture()]: core },
      sqlite,
      url: null,
      cache: join(CACHE, "artifacts"),
      builtAtMs: Date.now() - DAY_MS,
      nowMs: Date.now(),
    });
  }
  return { directory, root: join(directory, "root.json"), coreOf };
}

async function builtCore(shipped: string, version: string, entry?: string): Promise<string> {
  const program = entry === undefined ? "core" : hashOf(entry).slice(0, 16);
  const path = join(CACHE, `${shipped.slice(0, 16)}-${program}-${version}`);
  if (existsSync(path)) return path;
  mkdirSync(CACHE, { recursive: true });
  // Apart from what other trials build at the same time.
  const own = mkdtempSync(join(CACHE, "new-"));
  const around = entry === undefined ? {} : { entry };
  await buildCore({ target: architecture(), out: join(own, "core"), version, ...around });
  renameSync(join(own, "core"), path);
  rmSync(own, { recursive: true });
  return path;
}

function architecture(): "x64" | "arm64" {
  return process.arch === "arm64" ? "arm64" : "x64";
}

function hashOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
