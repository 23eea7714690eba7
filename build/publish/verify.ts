/**
 * Proves that a release can be made again: from fresh clones of this commit in different places, which share nothing
 * but the pinned packages. Compares them with each other, or one with what is published.
 */

import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Architecture, targetNames } from "../../src/domain/update/index.ts";
import type { TargetEntries } from "./metadata.ts";
import { readRepository } from "./repository.ts";

const ROOT = resolve(import.meta.dir, "..", "..");
/** Two clones get paths of different length. */
const PLACES = ["a", "another-place"];

export interface VerifyOptions {
  /** A release directory; null compares two builds. */
  readonly published: string | null;
  readonly version: string;
  readonly builtAtMs: number;
  readonly architectures: readonly Architecture[];
}

interface Recipe {
  readonly arch: Architecture;
  readonly version: string;
  readonly builtAtMs: number;
  readonly trustedRoot: string;
  readonly compression: "quick" | "small";
}

interface Hashes {
  readonly core: string;
  readonly shipped: string;
  readonly chunks: string;
  readonly pack: string;
}

/** Lines for people, one for each file. Throws at the first difference. */
export async function verifyBuild(options: VerifyOptions): Promise<string[]> {
  const lines: string[] = [];
  for (const arch of options.architectures) {
    const [one, other] =
      options.published === null ? twoBuilds(options, arch) : againstPublished(options, arch);
    for (const name of ["core", "shipped", "chunks", "pack"] as const) {
      if (one[name] !== other[name]) {
        throw new Error(
          `linux-${arch}: ${name} differs: ${one[name]} and ${other[name]}; this commit does not make the same bytes`,
        );
      }
      lines.push(`same  linux-${arch} ${name}  ${one[name]}`);
    }
  }
  return lines;
}

function twoBuilds({ version, builtAtMs }: VerifyOptions, arch: Architecture): [Hashes, Hashes] {
  const recipe: Recipe = {
    arch,
    version,
    builtAtMs,
    trustedRoot: "{}",
    compression: "quick",
  };
  const [one, other] = PLACES.map((place) => buildInClone(place, recipe));
  return [one as Hashes, other as Hashes];
}

function againstPublished(
  { published, version }: VerifyOptions,
  arch: Architecture,
): [Hashes, Hashes] {
  const directory = published ?? "";
  const targets: TargetEntries = readRepository(directory)?.targets.targets ?? {};
  const names = targetNames(version, arch);
  const shipped = targets[names.shipped];
  const custom = shipped?.custom as Record<string, string | number> | undefined;
  if (shipped === undefined || custom === undefined) {
    throw new Error(`Cannot verify: ${directory} has no ${names.shipped}`);
  }
  if (custom["compression"] !== "small") {
    throw new Error(
      `Cannot verify: ${names.shipped} is a trial, made with --quick by the tools of its machine`,
    );
  }
  const found: Hashes = {
    core: String(custom["coreSha256"]),
    shipped: shipped.hashes.sha256,
    chunks: targets[names.chunks]?.hashes.sha256 ?? "missing",
    pack: targets[names.pack]?.hashes.sha256 ?? "missing",
  };
  const root = join(directory, "metadata", `${custom["trustedRoot"]}.root.json`);
  const made = buildInClone(PLACES[0] as string, {
    arch,
    version,
    builtAtMs: Number(custom["builtAt"]),
    trustedRoot: readFileSync(root, "utf8"),
    compression: "small",
  });
  return [made, found];
}

/** Runs in the clone, with its own code; prints the hashes. */
const SCRIPT = `
  const { makeArtifacts } = await import(process.argv[1] + "/build/publish/artifacts.ts");
  const { sha256OfFile } = await import(process.argv[1] + "/build/publish/files.ts");
  const made = await makeArtifacts({ ...JSON.parse(process.argv[2]), compiler: "pinned", coreFile: null, cache: process.argv[1] + "/.cache/release" });
  console.log(JSON.stringify({
    core: made.coreSha256,
    shipped: sha256OfFile(made.shippedFile),
    chunks: sha256OfFile(made.indexFile),
    pack: sha256OfFile(made.packFile),
  }));`;

function buildInClone(place: string, recipe: Recipe): Hashes {
  const scratch = mkdtempSync(join(tmpdir(), "mycelium-verify-"));
  const clone = join(scratch, place);
  try {
    run("git", ["clone", "--quiet", ROOT, clone], scratch);
    // Compilers and the other architecture's Bun are pinned by hash or version: fetched once.
    for (const name of [
      "zig",
      `bun-${Bun.version}-linux-aarch64`,
      `bun-${Bun.version}-linux-x64`,
    ]) {
      const from = join(ROOT, ".cache", name);
      if (existsSync(from)) cpSync(from, join(clone, ".cache", name), { recursive: true });
    }
    run(process.execPath, ["install", "--frozen-lockfile", "--silent"], clone);
    const output = run(process.execPath, ["-e", SCRIPT, clone, JSON.stringify(recipe)], clone);
    return JSON.parse(output.trim().split("\n").at(-1) ?? "") as Hashes;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function run(program: string, words: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(program, words, { cwd, encoding: "utf8" });
  if (status === 0) return stdout;
  throw new Error(`Cannot verify: ${program} ended with status ${status}\n${stdout}${stderr}`);
}
