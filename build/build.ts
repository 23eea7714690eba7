/**
 * Builds dist/mycelium: the core compiled into one executable with its Workers and the SQLite guard inside.
 *
 *   bun build/build.ts [--target x64|arm64] [--out FILE] [--version V]
 */

import { mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildCore } from "./core.ts";
import type { NativeTarget } from "./native.ts";

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
  await buildCore({ target, out, ...(version === undefined ? {} : { version }) });
  const sizeMb = (statSync(out).size / 1_000_000).toFixed(1);
  console.log(`${out}  ${sizeMb} MB  linux-${target}`);
}

function targetOf(text: string): NativeTarget {
  if (text === "x64" || text === "arm64") return text;
  throw new Error(`Cannot build: found target "${text}", needed x64 or arm64`);
}

await main();
