/**
 * Compiles the core: one executable with its Workers, and the SQLite guard inside. It loads no .env and no
 * bunfig.toml from where it is started. Embedded files are found by name in `Bun.embeddedFiles`: the guard is
 * "guard.so". The same sources and options give the same bytes, wherever the checkout is, if node_modules is its own.
 */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { buildGuard, type NativeTarget } from "./native.ts";
import { workerEntries } from "./worker-entries.ts";

export interface CoreOptions {
  readonly target: NativeTarget;
  readonly out: string;
  /** package.json's when left out. */
  readonly version?: string;
  /** Unix milliseconds; none in a development build. */
  readonly builtAtMs?: number;
  /** Where the bundler writes what it read and made. */
  readonly metafile?: string;
  /** `pinned`: of build/native.ts, whatever the machine has; for releases. */
  readonly compiler?: "any" | "pinned";
  /** The TUF root to trust first, JSON; without one updates need the setting UPDATE_ROOT. */
  readonly trustedRoot?: string;
  /** Another program around the core, for tests of what bad releases do; src/main.ts when left out. */
  readonly entry?: string;
}

const ROOT = resolve(import.meta.dir, "..");

export async function buildCore(options: CoreOptions): Promise<void> {
  const { target, out } = options;
  // A running executable cannot be overwritten, but its name can be given to another file.
  const scratch = `${dirname(out)}/fresh-${target}`;
  mkdirSync(scratch, { recursive: true });
  const compiler = options.compiler ?? "any";
  const guard = `${ROOT}/dist/native-${target}${compiler === "any" ? "" : "-pinned"}/guard.so`;
  await buildGuard(guard, target, { compiler });
  compile(options, guard, `${scratch}/mycelium`);
  renameSync(`${scratch}/mycelium`, out);
  rmSync(scratch, { recursive: true });
}

function compile(options: CoreOptions, guard: string, out: string): void {
  const { target } = options;
  run(process.execPath, [
    "build",
    "--compile",
    "--minify",
    "--format=esm",
    // Code of dynamic imports (libp2p, for one) in files of its own: read only where it is used.
    "--splitting",
    // No --bytecode: it starts in 110 ms instead of 200, but all of it changes with a line of ours, and an update of
    // the program would be 3.3 MB instead of 0.2.
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    ...definitions(options),
    ...(options.metafile === undefined ? [] : [`--metafile=${options.metafile}`]),
    "--asset-naming=[name].[ext]",
    `--root=${ROOT}/src`,
    `--target=bun-linux-${target}`,
    `--compile-executable-path=${runtimeFor(options)}`,
    `--outfile=${out}`,
    options.entry ?? `${ROOT}/src/main.ts`,
    ...workerEntries(`${ROOT}/src`),
    guard,
  ]);
}

/** What src/domain/api/build-info.ts takes from its builder. */
function definitions({ version, builtAtMs, trustedRoot }: CoreOptions): string[] {
  const values = { BUILD_VERSION: version, BUILD_TIME_MS: builtAtMs, BUILD_ROOT: trustedRoot };
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `--define=${name}=${JSON.stringify(value)}`);
}

/** The Bun around our code: the one that runs this, where that is right, else a copy that is checked by its hash. */
function runtimeFor({ target, compiler }: CoreOptions): string {
  const platform = target === "x64" ? "linux-x64" : "linux-aarch64";
  const isOwn = target === process.arch && (compiler !== "pinned" || isPinned(platform));
  return isOwn ? process.execPath : fetchedBun(platform);
}

/** Whether this is the very Bun that build/bun.sha256 names: others of its version make other bytes. */
function isPinned(platform: string): boolean {
  const sha256 = createHash("sha256").update(readFileSync(process.execPath)).digest("hex");
  const lines = readFileSync(`${ROOT}/build/bun.sha256`, "utf8").split("\n");
  return lines.includes(`${sha256}  bun-${Bun.version}-${platform}`);
}

function fetchedBun(platform: string): string {
  const script = `. build/bootstrap.sh && bootstrap_bun_for "$PWD" ${platform}`;
  const { status, stdout } = spawnSync("sh", ["-c", script], {
    cwd: ROOT,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status !== 0) throw new Error(`Cannot build for ${platform}: its Bun could not be fetched`);
  return stdout.trim();
}

function run(program: string, words: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(program, words, { cwd: ROOT, encoding: "utf8" });
  if (status === 0) return;
  console.error(stdout + stderr);
  throw new Error(`Cannot build: ${program} ended with status ${status}`);
}
