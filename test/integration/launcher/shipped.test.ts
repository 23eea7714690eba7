/** The shipped file: what is checked of it, what it says, and where it cannot be unpacked. */

import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { packShipped, TRAILER_SIZE } from "../../../build/launcher.ts";
import { buildLauncher, hostTarget } from "../../../build/native.ts";
import {
  BUILD_TIMEOUT_MS,
  coreBytes,
  coreSha256,
  type FakeCore,
  hostLauncher,
  LauncherLab,
  REPOSITORY,
  sha256Of,
} from "./launcher-lab.ts";

const LAUNCHER_SIZE_MAX = 300_000;
const CORE: FakeCore = { version: "1.0.0" };
let launcher: string;
let lab: LauncherLab;

beforeAll(async () => {
  launcher = await hostLauncher();
}, BUILD_TIMEOUT_MS);
beforeEach(() => {
  lab = new LauncherLab(launcher);
  lab.ship(CORE);
});
afterEach(() => lab.remove());

test("the launcher is below 300 KB without its payload", () => {
  expect(statSync(launcher).size).toBeLessThan(LAUNCHER_SIZE_MAX);
});

test("the same parts give the same bytes", () => {
  const parts = {
    launcher: readFileSync(launcher),
    core: coreBytes(CORE),
    machine: hostTarget(),
    version: "1.0.0",
    stateFormat: 1,
    compression: "small",
  } as const;
  expect(sha256Of(packShipped(parts))).toBe(sha256Of(packShipped(parts)));
});

describe("--launcher-info", () => {
  test("says what the file carries and what the slots hold", async () => {
    const before = await lab.run(["--launcher-info"]);
    expect(JSON.parse(before.out)).toMatchObject({
      version: "1.0.0",
      arch: hostTarget(),
      stateFormat: 1,
      coreSha256: coreSha256(CORE),
      launcherSha256: sha256Of(readFileSync(launcher)),
      state: lab.state,
      slots: null,
    });
    await lab.run();
    lab.change({ refused: "0".repeat(64), reason: 'it said "no\\"' });
    expect(JSON.parse((await lab.run(["--launcher-info"])).out).slots).toEqual({
      active: { sha256: coreSha256(CORE), version: "1.0.0", stateFormat: 1 },
      standby: null,
      state: "confirmed",
      boots: 0,
      floor: 0,
      refused: { sha256: "0".repeat(64), reason: 'it said "no\\"' },
    });
  });
});

describe("--launcher-verify", () => {
  const verify = async (change: (bytes: Buffer) => Uint8Array) => {
    const file = join(lab.directory, "other");
    writeFileSync(file, change(readFileSync(lab.program)));
    return lab.run(["--launcher-verify", file]);
  };
  const flipped = (at: (size: number) => number) => (bytes: Buffer) => {
    const i = at(bytes.length);
    bytes.writeUInt8(bytes.readUInt8(i) ^ 1, i);
    return bytes;
  };

  test("accepts a whole file", async () => {
    expect(await verify((bytes) => bytes)).toEqual({ status: 0, out: "", error: "" });
  });

  test("refuses any other, and says what is damaged", async () => {
    const launcherSize = statSync(launcher).size;
    const cases: readonly [string, (bytes: Buffer) => Uint8Array][] = [
      ["its launcher is damaged", flipped(() => 1_000)],
      ["its payload is damaged", flipped(() => launcherSize + 20)],
      ["its trailer is damaged", flipped((size) => size - 100)],
      ["it has no payload", flipped((size) => size - TRAILER_SIZE)],
      ["it has no payload", (bytes) => bytes.subarray(0, -1)],
      [
        "it is cut off, or something was added to it",
        (bytes) => Buffer.concat([bytes.subarray(5)]),
      ],
      ["it is cut off", (bytes) => bytes.subarray(0, 100)],
      ["it is cut off", () => Buffer.alloc(0)],
    ];
    for (const [words, change] of cases) {
      const { status, error } = await verify(change);
      expect({ words, status, error }).toMatchObject({ words, status: 1 });
      expect(error).toContain(words);
    }
    expect((await lab.run(["--launcher-verify", "/nonexistent"])).status).toBe(1);
  });
});

test("--launcher-extract writes the core, and nothing of a damaged file", async () => {
  const out = join(lab.directory, "core");
  expect(await lab.run(["--launcher-extract", lab.program, out])).toEqual({
    status: 0,
    out: "",
    error: "",
  });
  expect(sha256Of(readFileSync(out))).toBe(coreSha256(CORE));
  const damaged = join(lab.directory, "damaged");
  copyFileSync(lab.program, damaged);
  const bytes = readFileSync(damaged);
  bytes.fill(0, statSync(launcher).size + 8, statSync(launcher).size + 30);
  writeFileSync(damaged, bytes);
  rmSync(out);
  expect((await lab.run(["--launcher-extract", damaged, out])).status).not.toBe(0);
  expect(existsSync(out)).toBe(false);
  expect(existsSync(join(lab.directory, "unpacked.new"))).toBe(false);
});

test("an unknown word of its own is refused with the known ones", async () => {
  const { status, error } = await lab.run(["--launcher-nonsense"]);
  expect(status).toBe(2);
  expect(error).toContain("--launcher-verify FILE");
});

describe("where it cannot run, it says why", () => {
  test("a file that was cut off", async () => {
    truncateSync(lab.program, statSync(lab.program).size - 1);
    const { status, error } = await lab.run();
    expect(status).toBe(70);
    expect(error).toContain("install Mycelium again");
  });

  test("a file for another machine", async () => {
    const other = hostTarget() === "x64" ? "arm64" : "x64";
    const shipped = packShipped({
      launcher: readFileSync(launcher),
      core: coreBytes(CORE),
      machine: other,
      version: "1.0.0",
      stateFormat: 1,
      compression: "quick",
    });
    rmSync(lab.program);
    writeFileSync(lab.program, shipped, { mode: 0o755 });
    const { status, error } = await lab.run();
    expect(status).toBe(70);
    expect(error).toContain("carries a program for");
  });

  /** Runs in a mount namespace of its own, with the state directory on a file system of these options. */
  async function onFileSystem(options: string, words: readonly string[] = ["run"]) {
    const script =
      `mount -t tmpfs -o ${options.replace(",ro", "")} tmpfs "$MYCELIUM_STATE" && ` +
      `{ case ${options} in *,ro) mount -o remount,ro "$MYCELIUM_STATE" ;; esac; } && exec "$0" "$@"`;
    const child = Bun.spawn(["unshare", "-m", "sh", "-c", script, lab.program, ...words], {
      env: { ...lab.environment, PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
      stdout: "pipe",
      stderr: "pipe",
    });
    const error = await new Response(child.stderr).text();
    return { status: await child.exited, error };
  }
  const isRoot = process.getuid?.() === 0;
  if (!isRoot)
    console.log("not tested here: full, read-only and noexec disks (mounting needs root)");
  const asRoot = isRoot ? test : test.skip;

  asRoot("a disk without room: what it found and what it needs", async () => {
    lab.shipBytes(randomBytes(3_000_000), CORE);
    const { status, error } = await onFileSystem("size=5m");
    expect(status).toBe(73);
    expect(error).toMatch(/found [45]\.\d MB free, needed 7\.1 MB/);
  });

  asRoot("a read-only disk", async () => {
    const { status, error } = await onFileSystem("size=20m,ro");
    expect(status).toBe(73);
    expect(error).toContain("the file system is read-only");
  });

  asRoot("a noexec disk", async () => {
    const { status, error } = await onFileSystem("size=20m,noexec");
    expect(status).toBe(73);
    expect(error).toContain("noexec");
  });

  test("a directory that it may not write", () => {
    chmodSync(lab.directory, 0o755);
    chmodSync(lab.state, 0o555);
    // Nobody, where this is root.
    const uid = process.getuid?.() || 65_534;
    if (isRoot) chownSync(lab.state, uid, uid);
    const { status, stderr } = spawnSync(lab.program, ["run"], { env: lab.environment, uid });
    expect(status).toBe(73);
    expect(stderr.toString()).toContain("permission denied");
  });
});

const qemu = Bun.which("qemu-aarch64-static");
if (qemu === null)
  console.log("not tested here: the arm64 launcher (qemu-aarch64-static is missing)");
(qemu === null ? test.skip : test)(
  "the arm64 launcher unpacks, keeps slots and takes a trial back, under qemu",
  async () => {
    const file = join(REPOSITORY, "dist/native-arm64/launcher");
    await buildLauncher(file, "arm64");
    expect(statSync(file).size).toBeLessThan(LAUNCHER_SIZE_MAX);
    const ship = (version: string) => {
      const core = coreBytes({ version });
      const parts = { launcher: readFileSync(file), core, machine: "arm64", version } as const;
      rmSync(lab.program, { force: true });
      writeFileSync(lab.program, packShipped({ ...parts, stateFormat: 1, compression: "quick" }), {
        mode: 0o755,
      });
    };
    const run = async () => {
      const child = Bun.spawn([qemu ?? "", lab.program, "run"], {
        env: lab.environment,
        stdout: "pipe",
        stderr: Bun.file(lab.log),
      });
      const out = await new Response(child.stdout).text();
      return { status: await child.exited, version: out.split(" ")[1] };
    };
    ship("1.0.0");
    expect(await run()).toEqual({ status: 0, version: "1.0.0" });
    ship("2.0.0");
    expect(await run()).toEqual({ status: 0, version: "2.0.0" });
    expect(lab.record).toMatchObject({ state: "trial", boots: 1, standby: { version: "1.0.0" } });
    lab.change({ boots: 3 });
    expect(await run()).toEqual({ status: 0, version: "1.0.0" });
    expect(lab.record).toMatchObject({ state: "confirmed", active: { version: "1.0.0" } });
  },
  BUILD_TIMEOUT_MS,
);
