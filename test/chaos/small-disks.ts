/** State directories on small file systems in memory (tmpfs), one a node, which can be filled and emptied. */

import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";

/** The default DISK_RESERVE of 100 MiB and some room. */
const SIZE_MIB = 160;
const CHUNK_BYTES = 65_536;

/** Why there can be none here; null where there can. */
export function smallDisksProblem(): string | null {
  return process.getuid?.() === 0 ? null : "mounting a tmpfs needs root";
}

export class SmallDisks {
  readonly directories: readonly string[];

  /** Mounts them inside `directory`. Throws on what `mount` refuses. */
  constructor(directory: string, count: number) {
    this.directories = Array.from({ length: count }, (_, i) => join(directory, `small${i}`));
    process.once("exit", () => this.unmount());
    for (const path of this.directories) {
      mkdirSync(path);
      const made = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${SIZE_MIB}m`, "tmpfs", path]);
      if (made.status !== 0) throw new Error(`no tmpfs at ${path}: ${made.stderr.toString()}`);
    }
  }

  /** The state directory of a node. */
  state(i: number): string {
    return join(this.directories[i] ?? "", "state");
  }

  /** Leaves about `freeBytes` free, or none at all. */
  fill(i: number, freeBytes: number): void {
    const path = this.directories[i] ?? "";
    const file = openSync(join(path, "ballast"), "a");
    const chunk = new Uint8Array(CHUNK_BYTES).fill(1);
    try {
      for (;;) {
        const { bavail, bsize } = statfsSync(path);
        const excess = bavail * bsize - freeBytes;
        if (excess <= 0) return;
        writeSync(file, chunk, 0, Math.min(CHUNK_BYTES, excess));
      }
    } catch (error) {
      if ((error as { code?: string }).code !== "ENOSPC") throw error;
    } finally {
      closeSync(file);
    }
  }

  empty(i: number): void {
    rmSync(join(this.directories[i] ?? "", "ballast"), { force: true });
  }

  unmount(): void {
    for (const path of this.directories) spawnSync("umount", ["-l", path]);
  }
}
