import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { concatBytes, equalBytes, errorCodeOf } from "../../base/index.ts";
import { slotOf } from "./slot-directory.ts";
import { madeCore, noise, SlotLab } from "./testing/slot-lab.ts";

const MIB = 1_048_576;
const base = noise(2 * MIB, 1);
const OLD = madeCore(base, "0.1.0");
const NEW = madeCore(
  concatBytes(base.subarray(0, MIB), noise(700, 2), base.subarray(MIB)),
  "0.2.0",
);
const OTHER = madeCore(noise(MIB, 3), "0.3.0");
let lab: SlotLab;

beforeEach(() => {
  lab = new SlotLab(OLD);
});
afterEach(() => lab.remove());

async function stage(made = NEW, running = OLD): Promise<number> {
  const staging = await lab.slots(running).openStaging(made.core, made.chunks);
  let written = 0;
  for (const position of made.chunks.keys()) {
    if (staging.has(position)) continue;
    expect(await staging.write(position, made.chunk(position))).toBe(true);
    written++;
  }
  await staging.finish();
  await staging.close();
  return written;
}

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => "resolved",
    (error) => errorCodeOf(error),
  );
}

test("a core is put together from what is on disk and what was fetched, and becomes the standby", async () => {
  const written = await stage();
  expect(written).toBeGreaterThan(0);
  expect(written).toBeLessThan(5);
  expect(equalBytes(readFileSync(lab.core(NEW.core.sha256)), NEW.bytes)).toBe(true);
  expect(lab.mode(lab.core(NEW.core.sha256))).toBe(0o755);
  expect(existsSync(lab.part(NEW.core.sha256))).toBe(false);
  const { sizeBytes: _, ...slot } = NEW.core;
  expect(lab.record().active.version).toBe("0.1.0");
  expect(lab.record().standby).toEqual(slot);
  expect(lab.record().checkedStandby.sizeBytes).toBe(BigInt(NEW.bytes.length));
  expect(lab.record().unknown).toEqual(["later kept"]);
});

test("the standby before goes when another takes its place", async () => {
  await stage();
  await stage(OTHER);
  expect(existsSync(lab.core(NEW.core.sha256))).toBe(false);
  expect(existsSync(lab.core(OLD.core.sha256))).toBe(true);
  expect(lab.record().standby?.version).toBe("0.3.0");
});

test("the start of a core on trial that ended as asked is not held against it", async () => {
  await stage();
  await lab.slots(OLD).switchToStandby(1);
  lab.write({ ...lab.record(), boots: 2 });
  await lab.slots(OLD).endAsAsked();
  expect(lab.record().boots).toBe(2);
  await lab.slots(NEW).endAsAsked();
  expect(lab.record()).toMatchObject({ boots: 0, state: "trial" });
});

test("what an earlier life fetched is found again by its hashes; damage in it is not", async () => {
  const first = await lab.slots(OLD).openStaging(OTHER.core, OTHER.chunks);
  for (const position of [0, 1, 2]) await first.write(position, OTHER.chunk(position));
  // No close: as after kill -9.
  const fd = openSync(lab.part(OTHER.core.sha256), "r+");
  writeSync(fd, "damage", OTHER.chunks[0]!.sizeBytes + 5);
  const second = await lab.slots(OLD).openStaging(OTHER.core, OTHER.chunks);
  expect([0, 1, 2, 3].map((position) => second.has(position))).toEqual([true, false, true, false]);
  await first.close();
  await second.close();
});

test("what was fetched of another release goes", async () => {
  const first = await lab.slots(OLD).openStaging(OTHER.core, OTHER.chunks);
  await first.close();
  await stage();
  expect(existsSync(lab.part(OTHER.core.sha256))).toBe(false);
});

test("bytes that are not the chunk are refused, and parts are served once they are there", async () => {
  const staging = await lab.slots(OLD).openStaging(OTHER.core, OTHER.chunks);
  const size = OTHER.chunks[0]!.sizeBytes;
  expect(await staging.write(0, OTHER.chunk(1))).toBe(false);
  expect(await staging.write(0, OTHER.chunk(0).fill(0))).toBe(false);
  expect(await staging.write(99, OTHER.chunk(0))).toBe(false);
  expect(await staging.read(0, size)).toBeNull();
  await staging.write(0, OTHER.chunk(0));
  expect(await staging.read(10, size - 10)).toEqual(OTHER.bytes.slice(10, size));
  expect(await staging.read(10, size)).toBeNull();
  await staging.close();
});

test("a core that is not what it shall be is thrown away", async () => {
  const wrong = { ...OTHER.core, sha256: "0".repeat(64) };
  const staging = await lab.slots(OLD).openStaging(wrong, OTHER.chunks);
  for (const position of OTHER.chunks.keys()) await staging.write(position, OTHER.chunk(position));
  expect(await codeOf(staging.finish())).toBe("STATE_CORRUPT");
  await staging.close();
  expect(existsSync(lab.part(wrong.sha256))).toBe(false);
  expect(lab.record().standby).toBeNull();
});

test("a shipped file is unpacked by the launcher, and checked as a whole", async () => {
  const launcher = join(lab.path, "launcher");
  const shipped = join(lab.path, "shipped");
  // Stands in for the launcher: what it really does has tests of its own.
  const script =
    '[ "$1" = --launcher-extract ] && [ -s "$2" ] || { echo "no payload" >&2; exit 1; }';
  writeFileSync(launcher, `#!/bin/sh\n${script}\n/bin/cp "$2" "$3"\n`, { mode: 0o755 });
  writeFileSync(shipped, OTHER.bytes);
  const slots = lab.slots(OLD, 0, launcher);
  await slots.stageShipped(OTHER.core, shipped);
  expect(lab.record().standby?.version).toBe("0.3.0");
  expect(await codeOf(slots.stageShipped(NEW.core, shipped))).toBe("STATE_CORRUPT");
  writeFileSync(shipped, "");
  expect(slots.stageShipped(NEW.core, shipped)).rejects.toThrow("no payload");
  expect(lab.record().standby?.version).toBe("0.3.0");
});

test("a disk without room is said before anything is written, with figures", async () => {
  const slots = lab.slots(OLD, 2 ** 60);
  const refusal = slots.openStaging(NEW.core, NEW.chunks);
  expect(await codeOf(refusal)).toBe("DISK_FULL");
  expect(refusal).rejects.toThrow(/found .* free in .*, needed 1048576 TiB/);
  expect(existsSync(lab.part(NEW.core.sha256))).toBe(false);
});

test("a switch puts the standby on trial; confirmed it stays", async () => {
  await stage();
  await lab.slots(OLD).switchToStandby(1_000);
  expect(lab.record()).toMatchObject({ state: "trial", boots: 0, trialSinceMs: 1_000 });
  expect(lab.record().active.version).toBe("0.2.0");
  expect(lab.record().checkedActive.sizeBytes).toBe(BigInt(NEW.bytes.length));
  // The process before cannot confirm it.
  await lab.slots(OLD).confirm();
  expect(lab.record().state).toBe("trial");
  await lab.slots(NEW).confirm();
  expect(lab.record().state).toBe("confirmed");
});

test("a trial is taken back once, with its reason, and staged again it is forgiven", async () => {
  await stage();
  await lab.slots(OLD).switchToStandby(1_000);
  expect(await codeOf(stage(OTHER, NEW))).toBe("OVERLOADED");
  expect(await lab.slots(NEW).revert("it leaks")).toBe(true);
  expect(await lab.slots(NEW).revert("again")).toBe(false);
  const view = lab.slots(OLD).read();
  expect(view.active.version).toBe("0.1.0");
  expect(view.refused).toEqual({ sha256: NEW.core.sha256, reason: "it leaks" });
  await lab.slots(OLD).switchToStandby(2_000);
  expect(lab.slots(NEW).read()).toMatchObject({ state: "trial", refused: null });
});

test("a core is taken back by its own process, on trial or confirmed, but not below the floor", async () => {
  for (const confirms of [false, true]) {
    await stage();
    await lab.slots(OLD).switchToStandby(1_000);
    if (confirms) await lab.slots(NEW).confirm();
    await lab.slots(OLD).takeBack("not by another");
    expect(lab.record().active.version).toBe("0.2.0");
    await lab.slots(NEW).takeBack("its data differs");
    const view = lab.slots(OLD).read();
    expect(view).toMatchObject({ state: "confirmed", standby: { version: "0.2.0" } });
    expect(view.active.version).toBe("0.1.0");
    expect(view.refused).toEqual({ sha256: NEW.core.sha256, reason: "its data differs" });
  }
  await lab.slots(OLD).switchToStandby(2_000);
  await lab.slots(NEW).confirm();
  truncateSync(lab.core(OLD.core.sha256), MIB);
  expect(await codeOf(lab.slots(NEW).takeBack("its data differs"))).toBe("STATE_CORRUPT");
  expect(lab.record()).toMatchObject({ standby: null, state: "confirmed" });
  await stage(OLD, NEW);
  await lab.slots(NEW).raiseFloor(2);
  expect(await codeOf(lab.slots(NEW).takeBack("its data differs"))).toBe("VERSION_UNSUPPORTED");
  expect(lab.record().active.version).toBe("0.2.0");
});

test("a switch that could not be made is undone by the process that stayed", async () => {
  await stage();
  await lab.slots(OLD).switchToStandby(1_000);
  await lab.slots(NEW).undoSwitch("no launcher");
  expect(lab.record().state).toBe("trial");
  await lab.slots(OLD).undoSwitch("no launcher");
  expect(lab.record()).toMatchObject({ state: "confirmed", reason: "no launcher" });
  expect(lab.record().active.version).toBe("0.1.0");
});

test("what the launcher's file carries is noted when it is what runs", async () => {
  await stage();
  await lab.slots(OLD).switchToStandby(1_000);
  await lab.slots(NEW).confirm();
  expect(lab.record().payload).toBe(OLD.core.sha256);
  await lab.slots(NEW).noteInstalled();
  expect(lab.record()).toMatchObject({ payload: NEW.core.sha256, state: "confirmed" });
  expect(lab.record().active.version).toBe("0.2.0");
});

test("a standby below the floor, damaged or gone is not switched to", async () => {
  expect(await codeOf(lab.slots(OLD).switchToStandby(1))).toBe("STATE_MISSING");
  await stage();
  await lab.slots(OLD).raiseFloor(2);
  expect(await codeOf(lab.slots(OLD).switchToStandby(1))).toBe("VERSION_UNSUPPORTED");
  lab.write({ ...lab.record(), floor: 0 });
  truncateSync(lab.core(NEW.core.sha256), 1_000);
  expect(await codeOf(lab.slots(OLD).switchToStandby(1))).toBe("STATE_CORRUPT");
  expect(lab.record()).toMatchObject({ standby: null, state: "confirmed" });
  await stage();
  rmSync(lab.core(NEW.core.sha256));
  expect(await codeOf(lab.slots(OLD).switchToStandby(1))).toBe("STATE_CORRUPT");
});

test("changes of several processes do not lose each other", async () => {
  await stage();
  await Promise.all([...Array(8).keys()].map((floor) => lab.slots(OLD).raiseFloor(floor)));
  expect(lab.record().floor).toBe(7);
});

test("whole cores are served by range, and nothing else", async () => {
  const slots = lab.slots(OLD);
  expect(await slots.readCore(OLD.core.sha256, 5, 10)).toEqual(OLD.bytes.slice(5, 15));
  expect(await slots.readCore(OLD.core.sha256, OLD.bytes.length - 1, 2)).toBeNull();
  expect(await slots.readCore(NEW.core.sha256, 0, 1)).toBeNull();
  expect(slots.hasCore("../record")).toBe(false);
});

test("slotOf() knows a core by its place", () => {
  const name = OLD.core.sha256;
  expect(slotOf(`/s/slots/core-${name}`, "/s")).toBe(name);
  expect(slotOf(`/s/other/core-${name}`, "/s")).toBeNull();
  expect(slotOf("/s/slots/core-12", "/s")).toBeNull();
});

test("what the disk refuses is an expected error, never a bug that would end the node", async () => {
  const slots = lab.slots(OLD);
  rmSync(lab.core(OLD.core.sha256));
  mkdirSync(lab.core(OLD.core.sha256));
  expect(await codeOf(slots.readCore(OLD.core.sha256, 0, 1))).toBe("STATE_NOT_WRITABLE");
  writeFileSync(join(lab.path, "update"), "no directory");
  expect(await codeOf(slots.openStaging(NEW.core, NEW.chunks))).toBe("STATE_NOT_WRITABLE");
  rmSync(join(lab.path, "slots"), { recursive: true });
  expect(await codeOf(slots.raiseFloor(2))).toBe("STATE_NOT_WRITABLE");
});
