/**
 * Builds dist/mycelium-core, the core compiled into one executable, and dist/mycelium, the launcher that carries it:
 * what is installed.
 *
 *   bun build/build.ts [--target x64|arm64] [--out FILE] [--version V]
 *
 * FILE is the shipped file; the core is put beside it as FILE-core. Compressed for speed: a release is smaller
 * (build/release).
 */

import { mkdirSync, readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { VERSION } from "../src/domain/api/index.ts";
import { STATE_FORMAT } from "../src/domain/update/index.ts";
import { buildCore } from "./core.ts";
import { writeShipped } from "./launcher.ts";
import { buildLauncher, type NativeTarget } from "./native.ts";

const ROOT = resolve(import.meta.dir, "..");

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { target: { type: "string" }, out: { type: "string" }, version: { type: "string" } },
  });
  const target = targetOf(values.target ?? process.arch);
  const isNative = target === process.arch;
  const out = resolve(values.out ?? `${ROOT}/dist/mycelium${isNative ? "" : `-${target}`}`);
  mkdirSync(dirname(out), { recursive: true });
  const { version } = values;
  const core = `${out}-core`;
  const launcher = `${ROOT}/dist/native-${target}/launcher`;
  await buildLauncher(launcher, target);
  await buildCore({ target, out: core, ...(version === undefined ? {} : { version }) });
  writeShipped(out, {
    launcher: readFileSync(launcher),
    core: readFileSync(core),
    machine: target,
    version: version ?? VERSION,
    stateFormat: STATE_FORMAT,
    compression: "quick",
  });
  for (const file of [core, out]) {
    console.log(`${file}  ${(statSync(file).size / 1_000_000).toFixed(1)} MB  linux-${target}`);
  }
}

function targetOf(text: string): NativeTarget {
  if (text === "x64" || text === "arm64") return text;
  throw new Error(`Cannot build: found target "${text}", needed x64 or arm64`);
}

await main();
