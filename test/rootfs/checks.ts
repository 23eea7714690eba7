/** What steps ask of a machine, and wait for. */

import { expect } from "bun:test";
import type { Status, UpdateStatus } from "../../src/domain/api/index.ts";
import { parseSlotRecord, type SlotRecord } from "../../src/domain/update/index.ts";
import type { Machine } from "./machine.ts";
import type { Releases } from "./releases.ts";

const POLL_INTERVAL_MS = 500;
export const UNITS =
  "/etc/systemd/system/mycelium.service /etc/systemd/system/mycelium-helper.socket";

/** `curl | sh`, with these words. */
export const curl = (releases: Releases, words = "") =>
  `curl -fsSL ${releases.url}/install.sh | sh -s -- ${words}`;
export const statusOf = (machine: Machine): Status =>
  JSON.parse(machine.ok("mycelium status --json"));
export const updateOf = (machine: Machine): UpdateStatus =>
  JSON.parse(machine.ok("mycelium update status --json"));
export const mainPid = (machine: Machine) =>
  machine.ok("systemctl show -p MainPID --value mycelium");
export const recordOf = (machine: Machine): SlotRecord =>
  parseSlotRecord(`${machine.ok("cat /var/lib/mycelium/slots/record")}\n`);

/** Until `holds` does not throw any more. */
export async function eventually<T>(timeoutMs: number, holds: () => T): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return holds();
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await Bun.sleep(POLL_INTERVAL_MS);
  }
}

/** The unit is up, the node healthy, and this version the one that runs; confirmed or on trial. */
export function expectRunning(machine: Machine, version: string): void {
  expect(machine.ok("systemctl is-active mycelium")).toBe("active");
  const { healthy, node, problems } = statusOf(machine);
  // Notices are about the network: two voters, for one.
  const ill = problems.filter(({ severity }) => severity !== "notice");
  expect({ healthy, ill }).toEqual({ healthy: true, ill: [] });
  expect(node.version).toBe(version);
  expect(recordOf(machine).active.version).toBe(version);
}

export function expectNothing(machine: Machine): void {
  expect(machine.run("ls /usr/local/bin/mycelium /usr/local/lib/mycelium").status).not.toBe(0);
  expect(machine.run(`ls ${UNITS}`).out).toBe("");
  expect(machine.run("id mycelium").status).not.toBe(0);
  expect(machine.run("ls -d /var/lib/mycelium /var/cache/mycelium").out).toBe("");
}

/** Settings of the service, before it is there or from its next start on. */
export function configure(machine: Machine, settings: readonly string[]): void {
  const lines = settings.join("\\n");
  machine.ok(`mkdir -p /etc/mycelium; printf '${lines}\\n' >/etc/mycelium/environment`);
}

/** A network that finds, tries and keeps a release within seconds. */
export const QUICK_UPDATES = [
  "MYCELIUM_UPDATE_CHECK_INTERVAL=5s",
  "MYCELIUM_UPDATE_HEALTH_INTERVAL=1s",
  "MYCELIUM_UPDATE_CONFIRM_AFTER=5s",
];

export interface Launcher {
  readonly version: string;
  readonly launcherSha256: string;
}

/** What an installed file says of itself. */
export function launcherOf(machine: Machine, program: string): Launcher {
  const { version, launcherSha256 } = JSON.parse(machine.ok(`${program} --launcher-info`));
  return { version, launcherSha256 };
}
