/** The built executable (dist/mycelium; `bun run build` makes it). */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const REPOSITORY = resolve(import.meta.dir, "../../..");
const EXECUTABLE = join(REPOSITORY, "dist/mycelium");
const hostile = mkdtempSync(join(tmpdir(), "mycelium-hostile-"));
const cache = mkdtempSync(join(tmpdir(), "mycelium-cache-"));

beforeAll(() => {
  if (!existsSync(EXECUTABLE)) {
    const { status } = spawnSync(process.execPath, ["build/build.ts"], {
      cwd: REPOSITORY,
      stdio: "inherit",
    });
    expect(status).toBe(0);
  }
  writeFileSync(join(hostile, ".env"), "MYCELIUM_PORT=nonsense\nMYCELIUM_NO_SUCH_SETTING=1\n");
  writeFileSync(join(hostile, "bunfig.toml"), 'preload = ["./evil.ts"]\n');
  writeFileSync(join(hostile, "evil.ts"), 'console.log("EVIL");\nprocess.exit(66);\n');
  writeFileSync(join(hostile, "package.json"), "{ not json");
  writeFileSync(join(hostile, "tsconfig.json"), "{ not json");
});
afterAll(() => {
  for (const directory of [hostile, cache]) rmSync(directory, { recursive: true });
});

function run(...words: string[]) {
  const { status, stdout, stderr } = spawnSync(EXECUTABLE, words, {
    cwd: hostile,
    env: { HOME: hostile, XDG_CACHE_HOME: cache, PATH: "/usr/bin:/bin" },
    encoding: "utf8",
  });
  return { status, out: stdout.trim(), error: stderr.trim() };
}

describe("dist/mycelium", () => {
  test("runs no code and takes no setting from where it is started", () => {
    const { status, out, error } = run("config", "--json", "--state", join(hostile, "state"));
    expect({ status, error }).toEqual({ status: 0, error: "" });
    expect(out).not.toContain("EVIL");
    const port = JSON.parse(out).find(({ name }: { name: string }) => name === "PORT");
    expect(port).toMatchObject({ value: "8080", source: "default" });
  });

  test("is the version and the Bun that package.json names", async () => {
    const manifest = await Bun.file(join(REPOSITORY, "package.json")).json();
    const version = JSON.parse(run("version", "--json").out);
    expect(version.version).toBe(manifest.version);
    expect(`bun@${version.bun}`).toBe(manifest.packageManager);
  });

  test("an interrupted pipe is no error", () => {
    const { status } = spawnSync("sh", ["-c", `'${EXECUTABLE}' --help | head -1`], {
      env: { XDG_CACHE_HOME: cache, PATH: "/usr/bin:/bin" },
    });
    expect(status).toBe(0);
  });

  test("status of nothing says so with status 3", () => {
    expect(run("status", "--state", join(hostile, "state")).status).toBe(3);
  });
});
