/**
 * An executable of the release after this one: this source under its version, which runs from the checkout. To try a
 * real release of the past or the future beside this build, name it:
 *
 *   OTHER_RELEASE=/path/to/mycelium build/test test/compatibility
 */

import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { VERSION } from "../../src/domain/api/index.ts";

const MAIN = resolve(import.meta.dir, "../../src/main.ts");

const REAL = process.env["OTHER_RELEASE"];

/** Whether a real release is tried. */
export const isTrial = REAL !== undefined;

/** So many minor versions on. */
export function nextVersion(minors = 1): string {
  const [major = 0, minor = 0] = VERSION.split(".").map(Number);
  return `${major}.${minor + minors}.0`;
}

export function otherRelease(directory: string): string {
  return REAL ?? releaseOf(directory, nextVersion());
}

/** This source under another version. */
export function releaseOf(directory: string, name: string): string {
  const script = join(directory, `release-${name}`);
  const version = `--define=BUILD_VERSION="${name}"`;
  const words = [process.execPath, version, MAIN].map((word) => `'${word}'`).join(" ");
  writeFileSync(script, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
  return script;
}
