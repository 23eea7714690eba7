/**
 * The launcher is killed when it enters each of its system calls, one after the other: the next start runs one of the
 * two versions, and its record and files are whole. What was written is on disk when it says so; here it is what a
 * killed process leaves, where the page cache survives.
 */

import { afterEach, beforeAll, expect, test } from "bun:test";
import { cpSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import {
  BUILD_TIMEOUT_MS,
  coreSha256,
  type FakeCore,
  hostLauncher,
  LauncherLab,
} from "./launcher-lab.ts";
import { buildKiller } from "./native-program.ts";

const TEST_TIMEOUT_MS = 110_000;
const OLD: FakeCore = { version: "1.0.0" };
const NEW: FakeCore = { version: "2.0.0" };
let launcher: string;
let killer: string;
let lab: LauncherLab;

beforeAll(async () => {
  launcher = await hostLauncher();
  killer = await buildKiller();
}, BUILD_TIMEOUT_MS);
afterEach(() => lab.remove());

/** True when it was killed; false when it got as far as to become the core. */
async function killedAtCall(n: number): Promise<boolean> {
  const child = Bun.spawn([killer, String(n), lab.program, "run"], {
    cwd: lab.directory,
    env: lab.environment,
    stdout: "ignore",
    stderr: "ignore",
  });
  const status = await child.exited;
  if (status === 2) throw new Error("Cannot test: processes cannot be traced here");
  return status === 0;
}

/** Kills at each call of a start from the state as it is now; `after` gets the start that follows. */
async function killEverywhere(after: (n: number, out: string) => void): Promise<number> {
  const before = join(lab.directory, "before");
  cpSync(lab.state, before, { recursive: true, preserveTimestamps: true });
  for (let n = 1; ; n++) {
    rmSync(lab.state, { recursive: true });
    cpSync(before, lab.state, { recursive: true, preserveTimestamps: true });
    if (!(await killedAtCall(n))) return n - 1;
    const { status, out, error } = await lab.run();
    expect({ n, status, error: status === 0 ? "" : error }).toEqual({ n, status: 0, error: "" });
    expect(out).toContain(` core-${lab.record.active.sha256} `);
    after(n, out);
  }
}

test(
  "killed anywhere in its first start it starts",
  async () => {
    lab = new LauncherLab(launcher);
    lab.ship(OLD);
    const count = await killEverywhere((n) => {
      expect({ n, cores: lab.cores }).toEqual({ n, cores: [`core-${coreSha256(OLD)}`] });
      expect(lab.record.state).toBe("confirmed");
    });
    expect(count).toBeGreaterThan(30);
  },
  TEST_TIMEOUT_MS,
);

test(
  "killed anywhere while it takes another release over it starts, on trial, with a way back",
  async () => {
    lab = new LauncherLab(launcher);
    lab.ship(OLD);
    await lab.run();
    lab.ship(NEW);
    await killEverywhere((n) => {
      const { active, standby, state, boots } = lab.record;
      expect({ n, active: active.version, standby: standby?.version, state }).toEqual({
        n,
        active: "2.0.0",
        standby: "1.0.0",
        state: "trial",
      });
      expect([1, 2]).toContain(boots);
      expect(lab.cores).toHaveLength(2);
    });
  },
  TEST_TIMEOUT_MS,
);

test(
  "killed anywhere while it takes a trial back it starts the version before",
  async () => {
    lab = new LauncherLab(launcher);
    lab.ship(OLD);
    await lab.run();
    lab.ship(NEW);
    await lab.run();
    lab.change({ boots: 3 });
    await killEverywhere((n, out) => {
      expect({ n, out }).toEqual({ n, out: `core 1.0.0 core-${coreSha256(OLD)} run` });
      expect(lab.record).toMatchObject({ state: "confirmed", refused: coreSha256(NEW) });
    });
  },
  TEST_TIMEOUT_MS,
);

test(
  "killed anywhere while it mends a damaged core and record it starts",
  async () => {
    lab = new LauncherLab(launcher);
    lab.ship(OLD);
    await lab.run();
    for (const name of ["record", "record.old"]) {
      const text = readFileSync(lab.slot(name), "utf8");
      await Bun.write(lab.slot(name), text.replace("confirmed", "confirmen"));
    }
    await Bun.write(lab.core(OLD), "damaged");
    await killEverywhere((n, out) => {
      expect({ n, out }).toEqual({ n, out: `core 1.0.0 core-${coreSha256(OLD)} run` });
    });
  },
  TEST_TIMEOUT_MS,
);
