/** Keys and small release directories for tests: real formats and signatures, cores of noise. */

import { createHash } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KeyDirectory, makeKeys } from "../../../build/publish/keys.ts";
import { addRelease, type ReleaseOptions } from "../../../build/publish/operations.ts";

export const DAY_MS = 86_400_000;
export const NOW_MS = Date.UTC(2026, 10, 20);

export class ReleaseLab {
  readonly folder = mkdtempSync(join(tmpdir(), "mycelium-release-"));
  readonly out = join(this.folder, "out");
  readonly keys = this.makeKeys("keys");

  makeKeys(name: string): KeyDirectory {
    makeKeys(join(this.folder, name));
    return new KeyDirectory(join(this.folder, name), {});
  }

  /** Adds a release whose core is noise of `seed`. */
  release(version: string, change: Partial<ReleaseOptions> & { seed?: number } = {}) {
    const { seed = 1, ...options } = change;
    const core = join(this.folder, `core-${seed}`);
    mkdirSync(this.folder, { recursive: true });
    writeFileSync(core, noise(400_000, seed));
    return addRelease({
      out: this.out,
      keys: this.keys,
      version,
      channel: "stable",
      notes: `notes of ${version}`,
      architectures: ["x64"],
      compression: "quick",
      cores: { x64: core },
      url: "https://releases.example.com/mycelium",
      cache: join(this.folder, "cache"),
      builtAtMs: NOW_MS,
      nowMs: NOW_MS,
      ...options,
    });
  }

  read(path: string): string {
    return readFileSync(join(this.out, path), "utf8");
  }

  /** What is signed of a metadata document. */
  signed(name: string): { version: number; expires: string; targets: Record<string, unknown> } {
    return JSON.parse(this.read(`metadata/${name}`)).signed;
  }
}

/** Every file of a directory with its digest. */
export function contentOf(directory: string): Record<string, string> {
  const files = readdirSync(directory, { recursive: true }).map(String).sort();
  return Object.fromEntries(
    files
      .filter((name) => statSync(join(directory, name)).isFile())
      .map((name) => [name, sha256(readFileSync(join(directory, name)))]),
  );
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function noise(sizeBytes: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  let state = seed | 1;
  for (let i = 0; i < sizeBytes; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}
