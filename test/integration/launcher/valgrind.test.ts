/** Whole boots under valgrind: no byte is used that was not written, in memory or in what the kernel is given. */

import { afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BUILD_TIMEOUT_MS, type FakeCore, hostLauncher, LauncherLab } from "./launcher-lab.ts";

const TEST_TIMEOUT_MS = 60_000;
const OLD: FakeCore = { version: "1.0.0" };
const NEW: FakeCore = { version: "2.0.0" };
const valgrind = Bun.which("valgrind");
let launcher: string;
let lab: LauncherLab;

beforeAll(async () => {
  launcher = await hostLauncher();
}, BUILD_TIMEOUT_MS);
beforeEach(() => {
  lab = new LauncherLab(launcher);
});
afterEach(() => lab.remove());

/** Runs and returns what the core said, or what valgrind did. */
async function run(...words: string[]): Promise<string> {
  const logs = join(lab.directory, "valgrind");
  const child = Bun.spawn([valgrind ?? "", "-q", `--log-file=${logs}.%p`, lab.program, ...words], {
    cwd: lab.directory,
    env: lab.environment,
    stdout: "pipe",
    stderr: Bun.file(lab.log),
  });
  const out = await new Response(child.stdout).text();
  await child.exited;
  const errors = readdirSync(lab.directory)
    .filter((name) => name.startsWith("valgrind."))
    .flatMap((name) => readFileSync(join(lab.directory, name), "utf8").split("\n"))
    // "--": what it does not know, such as pidfd_open; the guardian is tested without it.
    .filter((line) => line.startsWith("=="));
  return errors.join("\n") + out.split(" ").slice(0, 2).join(" ");
}

if (valgrind === null) console.log("not tested here: boots under valgrind (it is missing)");
(valgrind === null ? test.skip : test)(
  "first start, another release, revert, damage, commands",
  async () => {
    lab.ship(OLD);
    expect(await run("status")).toBe("core 1.0.0");
    expect(await run("run")).toBe("core 1.0.0");
    lab.ship(NEW);
    expect(await run("run")).toBe("core 2.0.0");
    lab.change({ boots: 3, unknown: ["colour blue"] });
    expect(await run("run")).toBe("core 1.0.0");
    lab.ship(OLD);
    truncateSync(lab.core(OLD), 3);
    writeFileSync(lab.slot("record"), "damaged");
    expect(await run("run")).toBe("core 1.0.0");
    expect(await run("--launcher-info")).toStartWith("{");
    expect(await run("--launcher-verify", lab.program)).toBe("");
  },
  TEST_TIMEOUT_MS,
);
