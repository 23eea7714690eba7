/** The shipped file as `bun run build` makes it: the core itself, unpacked by the launcher, as a node. */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../install/free-ports.ts";
import { QUIET } from "../network/program.ts";
import { BUILD_TIMEOUT_MS, REPOSITORY } from "./launcher-lab.ts";

const SHIPPED = join(REPOSITORY, "dist/mycelium");
const directory = mkdtempSync(join(tmpdir(), "mycelium-real-"));
const state = join(directory, "state");
/** Where `init` may have found or put the core; root's own keeps one core at a time, of whichever test was last. */
const CACHES = [join(directory, "cache/mycelium"), "/var/cache/mycelium"];

beforeAll(() => {
  if (existsSync(SHIPPED)) return;
  const { status } = spawnSync(process.execPath, ["build/build.ts"], { cwd: REPOSITORY });
  expect(status).toBe(0);
}, BUILD_TIMEOUT_MS);
afterAll(() => {
  mycelium("stop");
  rmSync(directory, { recursive: true });
});

function mycelium(...words: string[]) {
  const { status, stdout, stderr } = spawnSync(SHIPPED, [...words, "--state", state], {
    env: { PATH: "/usr/bin:/bin", XDG_CACHE_HOME: join(directory, "cache"), ...QUIET },
    encoding: "utf8",
  });
  return { status, out: stdout.trim(), error: stderr.trim() };
}

test("a node runs out of its slot, under the process id that was started, and stops", async () => {
  const { port, p2pPort } = await freePorts();
  expect(mycelium("init", "--network", "home").status).toBe(0);
  const flags = [`--port=${port}`, `--p2p-port=${p2pPort}`];
  expect(mycelium("run", "--background", ...flags)).toMatchObject({ status: 0 });
  const pid = readFileSync(join(state, "mycelium.pid"), "utf8").trim();
  const { slots } = JSON.parse(mycelium("--launcher-info").out);
  const core = `core-${slots.active.sha256}`;
  expect(readlinkSync(`/proc/${pid}/exe`)).toBe(join(state, "slots", core));
  expect(slots).toMatchObject({ standby: null, state: "confirmed", refused: null });
  // What `init` unpacked is not unpacked again, nor a second time on the disk.
  const slot = statSync(join(state, "slots", core));
  for (const cache of CACHES) {
    const cached = statSync(join(cache, core), { throwIfNoEntry: false });
    if (cached?.dev === slot.dev) expect(slot.ino).toBe(cached.ino);
  }
  expect(mycelium("status", "--check").status).toBe(0);
  expect(mycelium("run", ...flags)).toMatchObject({ status: 1 });
  expect(mycelium("stop").status).toBe(0);
  expect(existsSync(join(state, "mycelium.pid"))).toBe(false);
});
