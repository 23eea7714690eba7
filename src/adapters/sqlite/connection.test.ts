import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../base/index.ts";
import { openConnection } from "./connection.ts";
import { freshDirectory, freshPath, GUARD_PATH } from "./engine-fixture.ts";

const OPEN_IN_NOEXEC = `
import { openConnection } from ${JSON.stringify(join(import.meta.dir, "connection.ts"))};
const [guardPath] = process.argv.slice(-1);
try {
  openConnection(guardPath + ".db", { guardPath, readOnly: false, cacheSizeBytes: 65536 });
} catch (error) {
  console.log(error.message);
}`;

/** What opening a database with this file as the guard says. */
function refusal(guardPath: string): string {
  try {
    openConnection(freshPath(), { guardPath, readOnly: false, cacheSizeBytes: 65_536 }).close();
    return "opened";
  } catch (error) {
    return messageOf(error);
  }
}

test("a guard that is not there is named as it was asked for, with what to do", () => {
  const path = join(freshDirectory(), "guard.so");
  expect(refusal(path)).toBe(
    `Cannot load the SQLite guard ${path}: ${path}: cannot open shared object file: No such file or directory; ` +
      "start the node again, which writes it anew (from source: `bun run build`)",
  );
});

test("a guard that is no library, or another one, is refused with the loader's own reason", () => {
  const path = join(freshDirectory(), "guard.so");
  writeFileSync(path, "no library");
  expect(refusal(path)).toContain(`${path}: file too short; start the node again`);
  writeFileSync(path, new Uint8Array(4_096));
  expect(refusal(path)).toContain(`${path}: invalid ELF header; start the node again`);
});

const asRoot = test.skipIf(process.getuid?.() !== 0);
if (process.getuid?.() !== 0) console.log("not tested here: a noexec disk (mounting needs root)");

asRoot("a guard on a disk without execution says so, and what to do", () => {
  const directory = freshDirectory();
  const path = join(directory, "guard.so");
  const script = join(freshDirectory(), "open.ts");
  writeFileSync(script, OPEN_IN_NOEXEC);
  const mounted = 'mount -t tmpfs -o noexec none "$1" && cp "$2" "$3" && exec "$4" "$5" "$3"';
  const words = ["-m", "sh", "-c", mounted, "sh", directory, GUARD_PATH, path, process.execPath];
  const { stdout, stderr } = spawnSync("unshare", [...words, script], { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(stdout).toContain(`Cannot load the SQLite guard ${path}: ${path}: failed to map segment`);
  expect(stdout).toContain("mount it without noexec");
});
