/** Checks of the machine itself: clock, disk, memory, state directory. */

import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { formatSizeBytes } from "../../base/index.ts";
import type { Config } from "../../domain/config/index.ts";
import { type Finding, fail, ok, warn } from "./finding.ts";

/** No machine that runs this release can truly have an earlier clock. */
const CLOCK_MIN_MS = Date.UTC(2026, 0, 1);
const MEMORY_MIN_BYTES = 192 * 1_024 * 1_024;
const DISK_COMFORT_BYTES = 1_024 * 1_024 * 1_024;

export function machineFindings(config: Config): Finding[] {
  return [clock(), memory(), stateDirectory(config.state), disk(config)];
}

function clock(): Finding {
  const now = new Date();
  const shown = `${now.toISOString().slice(0, 19).replace("T", " ")} UTC`;
  const mend = "set it, or enable time synchronisation: `timedatectl set-ntp true`";
  if (now.getTime() < CLOCK_MIN_MS) return fail("clock", `${shown}, which is in the past`, mend);
  const asked = spawnSync("timedatectl", ["show", "-p", "NTPSynchronized", "--value"], {
    encoding: "utf8",
  });
  const isSynchronised = asked.status === 0 ? asked.stdout.trim() : "unknown";
  if (isSynchronised === "no") return warn("clock", `${shown}, not synchronised`, mend);
  return ok("clock", isSynchronised === "yes" ? `${shown}, synchronised` : shown);
}

function memory(): Finding {
  const match = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"));
  const available = Number(match?.[1] ?? 0) * 1_024;
  const found = `${formatSizeBytes(available)} available`;
  if (available >= MEMORY_MIN_BYTES) return ok("memory", found);
  return warn("memory", found, `free some: a node wants ${formatSizeBytes(MEMORY_MIN_BYTES)}`);
}

function stateDirectory(path: string): Finding {
  const place = nearestExisting(path);
  try {
    accessSync(place, constants.W_OK | constants.X_OK);
  } catch {
    return fail(
      "state",
      `${place} cannot be written`,
      "run as its owner, or choose one with --state",
    );
  }
  return ok("state", existsSync(path) ? path : `${path}, not made yet`);
}

function disk(config: Config): Finding {
  const { bavail, bsize } = statfsSync(nearestExisting(config.state));
  const free = bavail * bsize;
  const found = `${formatSizeBytes(free)} free for ${config.state}`;
  const reserve = formatSizeBytes(config.diskReserveBytes);
  if (free < config.diskReserveBytes) {
    return fail("disk", found, `free some: writes are refused below ${reserve} (DISK_RESERVE)`);
  }
  if (free >= DISK_COMFORT_BYTES) return ok("disk", found);
  return warn("disk", found, `free some: writes will be refused below ${reserve} (DISK_RESERVE)`);
}

function nearestExisting(path: string): string {
  let place = path;
  while (!existsSync(place)) place = dirname(place);
  return place;
}
