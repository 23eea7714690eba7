import { beforeEach, expect, test } from "bun:test";
import { MemoryMetrics, MemorySlotDisk, MemorySlots } from "../../adapters/memory/index.ts";
import { MyceliumError } from "../../base/index.ts";
import { NEVER_CHECKED, switched, withStandby } from "../../domain/update/index.ts";
import { type Health, HealthWatch } from "./health-watch.ts";
import { MadeRelease, noise, quiet, UpdateWorld } from "./testing/update-world.ts";

const OLD = new MadeRelease("0.1.0", noise(20_000, 1));
const NEW = new MadeRelease("0.2.0", noise(20_000, 2));
const WELL: Health = { memoryBytes: 1_000, faults: [], critical: [] };

let world: UpdateWorld;
let disk: MemorySlotDisk;
let slots: MemorySlots;
let metrics: MemoryMetrics;
let restarts: number;

beforeEach(() => {
  world = new UpdateWorld();
  disk = new MemorySlotDisk(OLD.core, OLD.bytes);
  disk.record = switched(withStandby(disk.record, NEW.core, NEVER_CHECKED), 1);
  slots = new MemorySlots(disk);
  metrics = new MemoryMetrics();
  restarts = 0;
});

function watch(health: (nowMs: number) => Health): HealthWatch {
  return new HealthWatch({
    slots,
    before: { version: "0.1.0", faults: ["it was ill before"], memoryBytes: 1_000 },
    intervalMs: 10_000,
    confirmAfterMs: 60_000,
    memoryMaxBytes: null,
    health: async () => health(world.scheduler.nowMs),
    restart: () => {
      restarts++;
    },
    clock: world.host,
    logger: quiet,
    metrics,
  });
}

test("a core that stays healthy is confirmed, and the watch is over", () => {
  let looks = 0;
  watch(() => {
    looks++;
    return { ...WELL, faults: ["it was ill before"] };
  });
  world.scheduler.runUntil(59_000);
  expect(disk.record.state).toBe("trial");
  world.scheduler.runUntil(200_000);
  expect(disk.record).toMatchObject({ state: "confirmed", active: NEW.core });
  expect(looks).toBe(7);
  expect(restarts).toBe(0);
});

test("a core that is ill is taken back with its reason, and the process becomes the one before", () => {
  watch((nowMs) => (nowMs < 30_000 ? WELL : { ...WELL, faults: ["main has no leader"] }));
  world.scheduler.runUntil(200_000);
  expect(disk.record).toMatchObject({
    state: "confirmed",
    active: OLD.core,
    refused: NEW.core.sha256,
    reason: "unhealthy for 60 s: main has no leader",
  });
  expect(restarts).toBe(1);
  expect(metrics.value("mycelium_update_reverts_total")).toBe(1);
});

test("what waiting does not mend takes it back at the first look", () => {
  watch(() => ({ ...WELL, critical: ["the log is damaged"] }));
  world.scheduler.runUntil(1);
  expect(disk.record).toMatchObject({ active: OLD.core, reason: "the log is damaged" });
  expect(restarts).toBe(1);
});

test("a verdict that cannot be written is tried again", () => {
  const { revert } = slots;
  slots.revert = async () => {
    throw new MyceliumError("DISK_FULL", "no room");
  };
  watch(() => ({ ...WELL, critical: ["the log is damaged"] }));
  world.scheduler.runUntil(15_000);
  expect(restarts).toBe(0);
  slots.revert = revert;
  world.scheduler.runUntil(30_000);
  expect(disk.record.active).toEqual(OLD.core);
  expect(restarts).toBe(1);
});

test("a watch that was stopped does nothing more", () => {
  watch(() => ({ ...WELL, critical: ["the log is damaged"] })).stop();
  world.scheduler.runUntil(400_000);
  expect(disk.record.state).toBe("trial");
});
