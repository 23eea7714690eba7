/**
 * The files of one version on one architecture: the shipped file, and the chunks of its core. Compressing takes a
 * minute or more, so what was made once is kept in .cache/release under the hash of all that went into it.
 */

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import { join, resolve } from "node:path";
import {
  type Architecture,
  encodeChunkIndex,
  STATE_FORMAT,
} from "../../src/domain/update/index.ts";
import { buildCore } from "../core.ts";
import { packShipped } from "../launcher.ts";
import { buildLauncher } from "../native.ts";
import { packChunks } from "./chunk-pack.ts";
import { sha256Of, writeSynced } from "./files.ts";
import { requireOwnPackages } from "./own-packages.ts";
import type { CoreFacts } from "./release-facts.ts";

const ROOT = resolve(import.meta.dir, "..", "..");
export const CACHE = join(ROOT, ".cache", "release");
/** Artifacts kept; each has some 95 MB. */
const KEPT_MAX = 8;
/** Level 19 takes twenty times as long and gives 5 % less. */
const CHUNK_LEVELS = { quick: 1, small: 12 } as const;
/** Raised when the same input gives other files. */
const RECIPE = 1;

export interface ArtifactOptions {
  readonly arch: Architecture;
  readonly version: string;
  readonly builtAtMs: number;
  readonly trustedRoot: string;
  readonly compression: "quick" | "small";
  /** `pinned` gives the same bytes on every machine; `any` needs nothing that is not there. */
  readonly compiler: "any" | "pinned";
  /** A core that is released as it is, for trials; else it is built. */
  readonly coreFile: string | null;
  /** Where what was made is kept. */
  readonly cache: string;
}

export interface Artifacts extends CoreFacts {
  readonly arch: Architecture;
  readonly shippedFile: string;
  readonly indexFile: string;
  readonly packFile: string;
  readonly launcherSizeBytes: number;
  /** What the bundler read; none for a core that was given. */
  readonly bundledFiles: readonly string[];
  /** Bytes of JavaScript in the core. */
  readonly scriptSizeBytes: number;
}

export async function makeArtifacts(options: ArtifactOptions): Promise<Artifacts> {
  const { arch, version, compression } = options;
  const scratch = join(options.cache, `work-${process.pid}-${arch}`);
  mkdirSync(scratch, { recursive: true });
  try {
    const bundle = await makeCore(options, scratch);
    const core = readFileSync(options.coreFile ?? join(scratch, "core"));
    const launcher = await launcherFor(options, scratch);
    const coreSha256 = sha256Of(core);
    const key = { RECIPE, arch, version, compression, coreSha256, launcher: sha256Of(launcher) };
    const kept = join(options.cache, `kept-${sha256Of(JSON.stringify(key)).slice(0, 24)}`);
    if (!existsSync(kept)) {
      const stateFormat = STATE_FORMAT;
      const shipped = packShipped({
        launcher,
        core,
        machine: arch,
        version,
        stateFormat,
        compression,
      });
      const { index, pack } = await packChunks(core, version, CHUNK_LEVELS[compression]);
      writeSynced(join(scratch, "made", "shipped"), shipped, 0o755);
      writeSynced(join(scratch, "made", "chunks"), encodeChunkIndex(index));
      writeSynced(join(scratch, "made", "pack"), pack);
      keep(join(scratch, "made"), kept);
    }
    prune(options.cache, kept);
    return {
      arch,
      coreSha256,
      coreSizeBytes: core.length,
      launcherSizeBytes: launcher.length,
      shippedFile: join(kept, "shipped"),
      indexFile: join(kept, "chunks"),
      packFile: join(kept, "pack"),
      ...bundle,
    };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Another process may have made the same meanwhile. */
function keep(made: string, kept: string): void {
  try {
    renameSync(made, kept);
  } catch (error) {
    if (!existsSync(kept)) throw error;
  }
}

/** Of this process: a launcher takes seconds to compile, and its sources stay as they are. */
const launchers = new Map<string, Uint8Array>();

async function launcherFor({ arch, compiler }: ArtifactOptions, scratch: string) {
  const known = launchers.get(`${arch} ${compiler}`);
  if (known !== undefined) return known;
  await buildLauncher(join(scratch, "launcher"), arch, { compiler });
  const launcher = readFileSync(join(scratch, "launcher"));
  launchers.set(`${arch} ${compiler}`, launcher);
  return launcher;
}

type Bundle = Pick<Artifacts, "bundledFiles" | "scriptSizeBytes">;

/** Leaves the core in `scratch`, unless one was given; returns what the bundler put into it. */
async function makeCore(options: ArtifactOptions, scratch: string): Promise<Bundle> {
  if (options.coreFile !== null) return { bundledFiles: [], scriptSizeBytes: 0 };
  const { arch, version, builtAtMs, trustedRoot, compiler } = options;
  if (compiler === "pinned") requireOwnPackages(ROOT);
  const metafile = join(scratch, "bundle.json");
  const out = join(scratch, "core");
  const build = { version, builtAtMs, trustedRoot, metafile, compiler };
  await buildCore({ target: arch, out, ...build });
  requireNoPaths(readFileSync(out));
  const { inputs, outputs } = JSON.parse(readFileSync(metafile, "utf8")) as {
    readonly inputs: object;
    readonly outputs: Readonly<Record<string, { readonly bytes: number }>>;
  };
  const scriptSizeBytes = Object.values(outputs).reduce((sum, { bytes }) => sum + bytes, 0);
  return { bundledFiles: Object.keys(inputs), scriptSizeBytes };
}

/** A path of this machine in what goes to others would be read there, and make other bytes elsewhere. */
function requireNoPaths(core: Buffer): void {
  for (const path of [ROOT, realpathSync(join(ROOT, "node_modules"))]) {
    // A checkout in /src: Bun itself holds such words.
    if (!core.includes(`${path}/`) || readFileSync(process.execPath).includes(`${path}/`)) continue;
    throw new Error(
      `Cannot release: the core holds the path ${path}, so a package was bundled by its place here`,
    );
  }
}

/** Drops the artifacts that were not used for longest. */
function prune(cache: string, used: string): void {
  const now = new Date();
  utimesSync(used, now, now);
  const kept = readdirSync(cache)
    .filter((name) => name.startsWith("kept-"))
    .map((name) => ({ path: join(cache, name), usedMs: statSync(join(cache, name)).mtimeMs }))
    .sort((a, b) => b.usedMs - a.usedMs);
  for (const { path } of kept.slice(KEPT_MAX)) rmSync(path, { recursive: true, force: true });
}
