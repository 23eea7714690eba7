/**
 * A new version on trial, with the real launcher and core: one that is well stays; one that crashes, hangs, is ill, leaks
 * or damages the state is taken back, and the version before goes on where it was.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { VERSION } from "../../../src/domain/api/index.ts";
import {
  formatSlotRecord,
  NEVER_CHECKED,
  parseSlotRecord,
  type SlotRecord,
} from "../../../src/domain/update/index.ts";
import { until } from "../../cluster/processes.ts";
import { Lab, type Machine } from "../network/lab.ts";
import { type BuiltCore, LAUNCHER, NEXT_VERSION, nextCore, shippedCore } from "./cores.ts";

/** Short, so that the test is; what they decide is the same. */
const SETTINGS = {
  MYCELIUM_UPDATE_HEALTH_INTERVAL: "500ms",
  MYCELIUM_UPDATE_CONFIRM_AFTER: "1s",
  MYCELIUM_UPDATE_MEMORY_MAX: "250 MiB",
};
const SETTINGS_OF: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  // The launcher's own deadline, in seconds, for a version that says nothing at all.
  hang: { MYCELIUM_CONFIRM_TIMEOUT: "4" },
  // On a busy machine it grows slowly: it must not be confirmed before it is large.
  leak: { MYCELIUM_UPDATE_HEALTH_INTERVAL: "1s", MYCELIUM_UPDATE_CONFIRM_AFTER: "60s" },
};
const OUTCOME_TIMEOUT_MS = 60_000;

let lab: Lab;
let shipped: BuiltCore;
let next: BuiltCore;
const started = new Map<string, Promise<Machine>>();

beforeAll(async () => {
  lab = new Lab("trial");
  shipped = shippedCore();
  next = await nextCore(shipped);
  // These two are mostly waited for: beside the others.
  for (const fault of ["crash", "hang"]) started.set(fault, startTrial(fault));
});
afterAll(() => lab.close());

function recordOf(machine: Machine): SlotRecord {
  return parseSlotRecord(readFileSync(join(machine.state, "slots/record"), "utf8"));
}

/** As a switch leaves it: the next version is active, on trial, and has not been started. */
function putOnTrial(machine: Machine, fault: string): void {
  const slots = join(machine.state, "slots");
  mkdirSync(slots, { recursive: true });
  for (const { path, sha256 } of [shipped, next]) {
    const slot = join(slots, `core-${sha256}`);
    rmSync(slot, { force: true });
    linkSync(path, slot);
  }
  const record: SlotRecord = {
    active: { sha256: next.sha256, version: NEXT_VERSION, stateFormat: 1 },
    standby: { sha256: shipped.sha256, version: VERSION, stateFormat: 1 },
    state: "trial",
    boots: 0,
    trialSinceMs: Date.now(),
    floor: 0,
    payload: shipped.sha256,
    refused: null,
    reason: null,
    checkedActive: NEVER_CHECKED,
    checkedStandby: NEVER_CHECKED,
    // Of a later version: launcher and core keep it.
    unknown: ["later kept"],
  };
  writeFileSync(join(slots, "record"), formatSlotRecord(record));
  writeFileSync(join(machine.state, "FAULT"), fault);
}

/** A node that has just been started with the new version for the first time. */
async function startTrial(fault: string): Promise<Machine> {
  const settings = { ...SETTINGS, ...SETTINGS_OF[fault] };
  const machine = await lab.machine(fault, settings, LAUNCHER);
  await machine.command("init", "--network", fault, ...machine.portFlags);
  putOnTrial(machine, fault);
  machine.start();
  return machine;
}

async function outcome(machine: Machine): Promise<SlotRecord> {
  const ended = () => {
    const record = recordOf(machine);
    return Promise.resolve(record.state === "confirmed" ? record : null);
  };
  return until("the end of the trial", ended, OUTCOME_TIMEOUT_MS);
}

/** The process before may still answer while it stops. */
function untilRuns(machine: Machine, version: string) {
  return until(`version ${version}`, async () => {
    const status = await machine.status();
    return status.node.version === version && status.healthy ? status : null;
  });
}

const FAULTS = [
  ["ill", /unhealthy for \d+ s: /],
  ["leak", /it uses \d+ MiB of memory, at most 250 MiB/],
  ["crash", /started 3 times/],
  ["hang", /not confirmed .*within 4 s/],
] as const;

describe("a version on trial", () => {
  test("that is well is confirmed", async () => {
    const machine = await startTrial("none");
    const record = await outcome(machine);
    expect(record).toMatchObject({ active: { version: NEXT_VERSION }, refused: null });
    expect((await machine.untilHealthy()).node.version).toBe(NEXT_VERSION);
    expect((await machine.run(["stop"])).status).toBe(0);
  });

  for (const [fault, reason] of FAULTS) {
    test(`that has the fault "${fault}" is taken back, with the reason`, async () => {
      const machine = await (started.get(fault) ?? startTrial(fault));
      const record = await outcome(machine);
      expect(record).toMatchObject({ active: { version: VERSION }, refused: next.sha256 });
      expect(record.reason).toMatch(reason);
      expect(record.unknown).toEqual(["later kept"]);
      await untilRuns(machine, VERSION);
      expect((await machine.run(["stop"])).status).toBe(0);
    });
  }

  test("that damages the state is taken back, and what was acknowledged is still there", async () => {
    const machine = await lab.machine("damaged", SETTINGS, LAUNCHER);
    await machine.command("init", "--network", "damaged", ...machine.portFlags);
    machine.start();
    await machine.untilHealthy();
    const peer = await lab.machine("peer", SETTINGS);
    const token = await machine.command("token", "create");
    await peer.command("join", token, ...peer.portFlags);
    peer.start();
    await Promise.all([machine.untilHealthy(1), peer.untilHealthy(1)]);
    await machine.command("sql", "CREATE TABLE kept (x)");
    await machine.command("sql", "INSERT INTO kept VALUES ('acknowledged')");
    await machine.kill("SIGTERM");
    putOnTrial(machine, "damage");
    machine.start();
    const record = await outcome(machine);
    expect(record).toMatchObject({ active: { version: VERSION }, refused: next.sha256 });
    expect(record.reason).toMatch(/damaged/);
    await untilRuns(machine, VERSION);
    expect(await machine.command("sql", "SELECT x FROM kept")).toContain("acknowledged");
    expect((await machine.run(["stop"])).status).toBe(0);
  });
});
