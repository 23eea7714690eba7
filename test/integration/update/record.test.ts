/** The launcher (C) reads every record of the slots that the core (TypeScript) writes, and as the core means it. */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import {
  formatSlotRecord,
  parseSlotRecord,
  type SlotRecord,
} from "../../../src/domain/update/index.ts";
import { LAUNCHER } from "./cores.ts";

const state = mkdtempSync(join(tmpdir(), "mycelium-record-"));
beforeAll(() => mkdirSync(join(state, "slots")));
afterAll(() => rmSync(state, { recursive: true, force: true }));

function launcherReads(text: string): unknown {
  writeFileSync(join(state, "slots/record"), text);
  const words = ["--launcher-info", "--state", state];
  const { stdout, status } = spawnSync(LAUNCHER, words, { encoding: "utf8", env: {} });
  expect(status).toBe(0);
  return JSON.parse(stdout).slots;
}

const hex = fc.stringMatching(/^[0-9a-f]{64}$/);
const number = fc.oneof(fc.nat(10), fc.constantFrom(0xffff_ffff), fc.nat());
const stat = fc.record({
  sizeBytes: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  mtimeNs: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  inode: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
});
const core = fc.record({
  sha256: hex,
  version: fc.stringMatching(/^[0-9][ -~]{0,62}[!-~]$/),
  stateFormat: number,
});
const records: fc.Arbitrary<SlotRecord> = fc
  .record({
    active: core,
    standby: fc.option(core, { nil: null }),
    state: fc.constantFrom("confirmed" as const, "trial" as const),
    boots: number,
    trialSinceMs: fc.maxSafeNat(),
    floor: number,
    payload: hex,
    refused: fc.option(hex, { nil: null }),
    reason: fc.option(fc.string({ minLength: 1, maxLength: 600 }), { nil: null }),
    checkedActive: stat,
    checkedStandby: stat,
    unknown: fc.constantFrom([], ["later kept", "other 1 2 3"]),
  })
  .filter(({ active, standby }) => active.sha256 !== standby?.sha256);

test("the launcher reads every record that the core writes", () => {
  fc.assert(
    fc.property(records, (written) => {
      const text = formatSlotRecord(written);
      const {
        active,
        standby,
        state: phase,
        boots,
        floor,
        refused,
        reason,
      } = parseSlotRecord(text);
      expect(launcherReads(text)).toEqual({
        active,
        standby,
        state: phase,
        boots,
        floor,
        refused: refused === null ? null : { sha256: refused, reason: reason ?? "" },
      });
    }),
  );
});

test("and refuses every one that is damaged", () => {
  const good = fc.sample(records, { seed: 1, numRuns: 1 })[0];
  const text = formatSlotRecord(good as SlotRecord);
  fc.assert(
    fc.property(fc.nat(text.length - 1), (at) => {
      const other = String.fromCharCode(text.charCodeAt(at) ^ 2);
      expect(launcherReads(text.slice(0, at) + other + text.slice(at + 1))).toBe("damaged");
    }),
  );
});
