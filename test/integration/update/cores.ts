/** The cores that update tests run: what is shipped, and one that does as it is told (faulty-core.ts), built once. */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { buildCore } from "../../../build/core.ts";
import { EXECUTABLE } from "../network/program.ts";

const REPOSITORY = resolve(import.meta.dir, "../../..");
const CACHE = join(REPOSITORY, "dist/update-test");

export const LAUNCHER = join(REPOSITORY, "dist/mycelium");
export const NEXT_VERSION = "0.2.0";
/** Its timestamp is good for seven days. */
const RELEASE_KEPT_MS = 3 * 86_400_000;
/** What is younger may be in use. */
const OLD_MS = 600_000;

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
    // Another test file may do the same at this moment: each builds in a place of its own, and the bytes are the same.
    const scratch = join(CACHE, `build-${process.pid}`);
    mkdirSync(scratch, { recursive: true });
    removeOld(key);
    const target = process.arch === "arm64" ? "arm64" : "x64";
    await buildCore({ target, out: join(scratch, "core"), version: NEXT_VERSION, entry: fault });
    renameSync(join(scratch, "core"), path);
    rmSync(scratch, { recursive: true });
  }
  return { path, sha256: hashOf(path) };
}

function hashOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/** A release directory whose newest version is that core, not so old that its timestamp has expired. */
export async function releaseOf(core: BuiltCore): Promise<string> {
  const out = `${core.path}-release`;
  const keys = `${core.path}-keys`;
  const madeMs = statSync(join(out, "root.json"), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (Date.now() - madeMs < RELEASE_KEPT_MS) return out;
  const words = [
    ...["--out", `${out}.new`, "--keys", keys, "--version", NEXT_VERSION],
    ...["--arch", process.arch, "--quick", "--core", `${process.arch}=${core.path}`],
  ];
  for (const path of [out, `${out}.new`, keys]) rmSync(path, { recursive: true, force: true });
  run(["--make-keys", keys]);
  run(words);
  renameSync(`${out}.new`, out);
  return out;
}

/** What earlier builds of the program left. */
function removeOld(key: string): void {
  for (const name of readdirSync(CACHE)) {
    const path = join(CACHE, name);
    const ageMs = Date.now() - statSync(path).mtimeMs;
    if (!name.startsWith(key) && ageMs > OLD_MS) rmSync(path, { recursive: true, force: true });
  }
}

function run(words: readonly string[]): void {
  const made = spawnSync(process.execPath, [join(REPOSITORY, "build/release.ts"), ...words], {
    encoding: "utf8",
  });
  if (made.status !== 0) throw new Error(`Cannot test: no release was made: ${made.stderr}`);
}
