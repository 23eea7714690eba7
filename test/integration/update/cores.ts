/** The cores that update tests run: what is shipped, and one that does as it is told (faulty-core.ts), built once. */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { buildCore } from "../../../build/core.ts";
import { EXECUTABLE } from "../network/program.ts";

const REPOSITORY = resolve(import.meta.dir, "../../..");
const CACHE = join(REPOSITORY, "dist/update-test");

export const LAUNCHER = join(REPOSITORY, "dist/mycelium");
export const NEXT_VERSION = "0.2.0";

export interface BuiltCore {
  readonly path: string;
  readonly sha256: string;
}

/** What the shipped file carries. */
export function shippedCore(): BuiltCore {
  return { path: EXECUTABLE, sha256: hashOf(EXECUTABLE) };
}

/** Version 0.2.0, with whatever fault it is told to have. */
export async function nextCore(shipped: BuiltCore): Promise<BuiltCore> {
  const fault = join(import.meta.dir, "faulty-core.ts");
  const key = `${shipped.sha256.slice(0, 16)}-${hashOf(fault).slice(0, 16)}`;
  const path = join(CACHE, key);
  if (!existsSync(path)) {
    mkdirSync(CACHE, { recursive: true });
    for (const name of readdirSync(CACHE)) rmSync(join(CACHE, name), { recursive: true });
    const target = process.arch === "arm64" ? "arm64" : "x64";
    await buildCore({ target, out: `${path}.new`, version: NEXT_VERSION, entry: fault });
    renameSync(`${path}.new`, path);
  }
  return { path, sha256: hashOf(path) };
}

function hashOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/** A release directory whose newest version is that core. Made anew for each core: its timestamp is good for days. */
export async function releaseOf(core: BuiltCore): Promise<string> {
  const out = `${core.path}-release`;
  if (existsSync(join(out, "root.json"))) return out;
  const words = [
    ...["--out", `${out}.new`, "--keys", join(CACHE, "keys"), "--version", NEXT_VERSION],
    ...["--arch", process.arch, "--quick", "--core", `${process.arch}=${core.path}`],
  ];
  rmSync(`${out}.new`, { recursive: true, force: true });
  run(["--make-keys", join(CACHE, "keys")]);
  run(words);
  renameSync(`${out}.new`, out);
  return out;
}

function run(words: readonly string[]): void {
  const made = spawnSync(process.execPath, [join(REPOSITORY, "build/release.ts"), ...words], {
    encoding: "utf8",
  });
  if (made.status !== 0) throw new Error(`Cannot test: no release was made: ${made.stderr}`);
}
