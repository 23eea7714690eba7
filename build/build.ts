/**
 * Builds dist/mycelium: the core compiled into one executable with its Workers and the SQLite guard inside.
 *
 *   bun build/build.ts [--target x64|arm64] [--out FILE]
 *
 * The executable loads no .env and no bunfig.toml from where it is started. Embedded files are found by name in
 * `Bun.embeddedFiles`: the guard is "guard.so".
 */

import { spawnSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildGuard } from "./native.ts";
import { workerEntries } from "./worker-entries.ts";

type Target = "x64" | "arm64";

const ROOT = resolve(import.meta.dir, "..");

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { target: { type: "string" }, out: { type: "string" } },
  });
  const target = targetOf(values.target ?? process.arch);
  const isNative = target === process.arch;
  const out = resolve(values.out ?? `${ROOT}/dist/mycelium${isNative ? "" : `-${target}`}`);
  mkdirSync(dirname(out), { recursive: true });
  const guard = `${ROOT}/dist/native-${target}/guard.so`;
  mkdirSync(dirname(guard), { recursive: true });
  await buildGuard(guard, target);
  compile(target, isNative, guard, out);
  const sizeMb = (statSync(out).size / 1_000_000).toFixed(1);
  console.log(`${out}  ${sizeMb} MB  linux-${target}`);
}

function targetOf(text: string): Target {
  if (text === "x64" || text === "arm64") return text;
  throw new Error(`Cannot build: found target "${text}", needed x64 or arm64`);
}

function compile(target: Target, isNative: boolean, guard: string, out: string): void {
  // A running executable cannot be overwritten, but its name can be given to another file.
  const fresh = `${dirname(out)}/fresh-${target}/mycelium`;
  mkdirSync(dirname(fresh), { recursive: true });
  run(process.execPath, [
    "build",
    "--compile",
    "--minify",
    "--format=esm",
    // Halves the time to the first line of output. Of another architecture's use nothing is known: there not.
    ...(isNative ? ["--bytecode"] : []),
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    "--asset-naming=[name].[ext]",
    `--root=${ROOT}/src`,
    `--target=bun-linux-${target}`,
    `--compile-executable-path=${isNative ? process.execPath : foreignBun()}`,
    `--outfile=${fresh}`,
    `${ROOT}/src/main.ts`,
    ...workerEntries(`${ROOT}/src`),
    guard,
  ]);
  renameSync(fresh, out);
  rmSync(dirname(fresh), { recursive: true });
}

/** The pinned Bun of the other architecture, checked against build/bun.sha256. */
function foreignBun(): string {
  const platform = process.arch === "x64" ? "linux-aarch64" : "linux-x64";
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

await main();
