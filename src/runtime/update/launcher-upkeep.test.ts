import { beforeEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { MemorySlotDisk, MemorySlots } from "../../adapters/memory/index.ts";
import { MyceliumError } from "../../base/index.ts";
import { parseShippedTrailer, type ShippedTrailer, switched } from "../../domain/update/index.ts";
import { LauncherUpkeep } from "./launcher-upkeep.ts";
import { MadeRelease, noise, quiet, UpdateWorld } from "./testing/update-world.ts";

const MADE = new MadeRelease("0.2.0", noise(20_000, 1));
const OURS = { version: "0.2.0", coreSha256: MADE.core.sha256, launcherSha256: "b".repeat(64) };
const SUMS = `${MADE.target.shippedSha256}  mycelium-linux-x64\n`;
const HOUR_MS = 3_600_000;

let world: UpdateWorld;
let disk: MemorySlotDisk;
let installed: ShippedTrailer | null;
let sums: string;
let refusal: MyceliumError | null;
let installs: string[];
let installsNothing: boolean;

beforeEach(() => {
  world = new UpdateWorld();
  disk = new MemorySlotDisk(MADE.core, MADE.bytes);
  installed = { ...OURS, version: "0.1.0", launcherSha256: "a".repeat(64) };
  sums = SUMS;
  refusal = null;
  installs = [];
  installsNothing = false;
});

/** As build/launcher.ts writes it. */
function trailerOf({ version, coreSha256, launcherSha256 }: ShippedTrailer): Uint8Array {
  const bytes = Buffer.alloc(4_096);
  bytes.write("MYCPAYL1", 0, "latin1");
  bytes.writeUInt32LE(1, 8);
  bytes.write(coreSha256, 48, "hex");
  bytes.write(version, 112, "latin1");
  bytes.write(launcherSha256, 144, "hex");
  bytes.set(createHash("sha256").update(bytes.subarray(0, 4_064)).digest(), 4_064);
  return new Uint8Array(bytes);
}

function upkeep(published: ShippedTrailer = OURS): LauncherUpkeep {
  return new LauncherUpkeep({
    slots: new MemorySlots(disk),
    source: {
      release: async (version) => (version === "0.2.0" ? MADE.release : null),
      readRange: async () => trailerOf(published),
      readBeside: async (path) => new TextEncoder().encode(path === "SHA256SUMS" ? sums : "signed"),
      download: async (target) => target,
      discardDownloads: async () => {},
    },
    arch: "x64",
    version: "0.2.0",
    intervalMs: HOUR_MS,
    installed: async () => installed,
    install: async (shipped) => {
      if (refusal !== null) throw refusal;
      installs.push(shipped);
      if (!installsNothing) installed = published;
    },
    random: world.scheduler.random,
    clock: world.host,
    logger: quiet,
  });
}

test("a launcher that is not the release's is replaced, once", () => {
  const kept = upkeep();
  world.scheduler.runUntil(30_000);
  expect(installs).toEqual([]);
  world.scheduler.runUntil(5 * HOUR_MS);
  expect(installs).toEqual(["0.2.0/mycelium-linux-x64"]);
  expect(kept.problem()).toBeNull();
});

test("the launcher's next start is told that its new file holds what runs, also when that failed at first", () => {
  disk.record = { ...disk.record, payload: "0".repeat(64) };
  upkeep();
  world.scheduler.runUntil(HOUR_MS / 2);
  expect(installs).toHaveLength(1);
  expect(disk.record.payload).toBe(MADE.core.sha256);
  disk.record = { ...disk.record, payload: "0".repeat(64) };
  world.scheduler.runUntil(2 * HOUR_MS);
  expect(disk.record.payload).toBe(MADE.core.sha256);
});

test("what an operator has installed, and not started yet, is news to the launcher", () => {
  disk.record = { ...disk.record, payload: "0".repeat(64) };
  installed = { ...OURS, version: "0.3.0", coreSha256: "d".repeat(64) };
  upkeep();
  world.scheduler.runUntil(2 * HOUR_MS);
  expect(disk.record.payload).toBe("0".repeat(64));
});

test("the same launcher, and a later one, are left as they are", () => {
  installed = { ...OURS, version: "0.1.0" };
  upkeep();
  world.scheduler.runUntil(2 * HOUR_MS);
  installed = { ...OURS, version: "0.3.0", launcherSha256: "c".repeat(64) };
  upkeep();
  world.scheduler.runUntil(4 * HOUR_MS);
  expect(installs).toEqual([]);
});

test("nothing is replaced while a version is on trial", () => {
  const standby = { ...MADE.core, sha256: "0".repeat(64) };
  disk.record = { ...switched({ ...disk.record, standby }, 1), active: MADE.core, standby };
  upkeep();
  world.scheduler.runUntil(HOUR_MS / 2);
  expect(installs).toEqual([]);
  disk.record = { ...disk.record, state: "confirmed" };
  world.scheduler.runUntil(2 * HOUR_MS);
  expect(installs).toHaveLength(1);
});

test("nothing is fetched with the sums of another version, nor for a file that is not the release's", () => {
  sums = "those of a later version";
  const kept = upkeep();
  world.scheduler.runUntil(HOUR_MS / 2);
  expect(kept.problem()).toBeNull();
  kept.stop();
  sums = SUMS;
  const wrong = upkeep({ ...OURS, coreSha256: "d".repeat(64) });
  world.scheduler.runUntil(HOUR_MS);
  expect(wrong.problem()).toContain("does not end as a shipped file");
  expect(installs).toEqual([]);
});

test("a launcher that is still another after it was replaced is told", () => {
  const kept = upkeep();
  installsNothing = true;
  world.scheduler.runUntil(HOUR_MS / 2);
  expect(installs).toHaveLength(1);
  expect(kept.problem()).toContain("is another still (found aaaaaaaaaaaa, needed bbbbbbbbbbbb)");
});

test("what nobody here may do is told, and tried again", () => {
  refusal = new MyceliumError("FORBIDDEN", "Cannot replace it: no root helper");
  const kept = upkeep();
  world.scheduler.runUntil(HOUR_MS / 2);
  expect(kept.problem()).toBe("Cannot replace it: no root helper");
  refusal = null;
  world.scheduler.runUntil(2 * HOUR_MS);
  expect(kept.problem()).toBeNull();
  expect(installs).toHaveLength(1);
});

test("parseShippedTrailer() reads what is whole, and nothing else", () => {
  const bytes = trailerOf(OURS);
  expect(parseShippedTrailer(bytes)).toEqual(OURS);
  expect(parseShippedTrailer(bytes.subarray(1))).toBeNull();
  for (const at of [0, 8, 50, 150, 4_000, 4_095]) {
    const damaged = bytes.slice();
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    expect(parseShippedTrailer(damaged)).toBeNull();
  }
});
