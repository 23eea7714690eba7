/** The modules that run as Workers: a compiled executable has them only if they are entry points of its build. */

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const WORKER = /new Worker\(\s*(?:new URL\(\s*)?"(\.[^"]+\.ts)"/g;

/** Absolute paths of what the sources under `root` start with `new Worker(...)`, tests left out. */
export function workerEntries(root: string): string[] {
  const entries = new Set<string>();
  for (const name of readdirSync(root, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".ts") || name.endsWith(".test.ts")) continue;
    const path = join(root, name);
    for (const [, target = ""] of readFileSync(path, "utf8").matchAll(WORKER)) {
      entries.add(join(dirname(path), target));
    }
  }
  return [...entries].sort();
}
