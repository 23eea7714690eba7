/**
 * A network of two machines that keeps itself up to date, the launcher included; releases that are broken come no
 * further than the first of them. Nobody types a command.
 */

import { expect } from "bun:test";
import {
  configure,
  curl,
  eventually,
  expectRunning,
  type Launcher,
  launcherOf,
  mainPid,
  QUICK_UPDATES,
  recordOf,
  statusOf,
  updateOf,
} from "./checks.ts";
import type { Machine } from "./machine.ts";
import type { Releases } from "./releases.ts";
import type { Scenario, Step, World } from "./scenario.ts";

const TIMEOUT_MS = 240_000;
const BASE = "0.9.0";
/** It has another launcher, as all that come after it. */
const NEXT = "0.9.1";
const UNSIGNED = "0.9.1-unsigned";
const HANGING = "0.9.2";
const CRASHING = "0.9.3";
const LAST = "0.9.4";
const WATCHDOG_S = 10;
const STATE = "/var/lib/mycelium";
const PROGRAM = "/usr/local/bin/mycelium";

async function makeReleases(releases: Releases): Promise<void> {
  const hasOtherLauncher = true;
  await releases.make(BASE);
  await releases.make(NEXT, { after: BASE, hasOtherLauncher });
  releases.forge(NEXT, UNSIGNED);
  await releases.make(HANGING, { after: NEXT, hasOtherLauncher, isFaulty: true });
  const crashes = "#!/bin/sh\necho 'this core crashes' >&2\nexit 1\n";
  await releases.make(CRASHING, { after: HANGING, hasOtherLauncher, script: crashes });
  await releases.make(LAST, { after: CRASHING, hasOtherLauncher });
}

const machinesOf = ({ first, second }: World) => [first, second] as const;

/** What systemd says of the service, by name. */
function unitOf(machine: Machine): Record<string, string> {
  const names = "MainPID,NRestarts,ActiveState,ActiveEnterTimestampMonotonic,StatusText,Result";
  const lines = machine.ok(`systemctl show -p ${names} mycelium`).split("\n");
  return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2)));
}

/** On the machine's monotonic clock. */
const watchdogFedAtUs = (machine: Machine) =>
  Number(machine.ok("systemctl show -p WatchdogTimestampMonotonic --value mycelium"));

/** Every node runs it, confirmed, and the rollout of `version` has ended like that. */
function expectRollout(world: World, version: string, state: string, running: string): void {
  for (const machine of machinesOf(world)) {
    expectRunning(machine, running);
    expect(recordOf(machine).state).toBe("confirmed");
    expect(updateOf(machine).plan).toMatchObject({ version, state });
  }
}

/** The core that the service's process runs is that of its active slot. */
function expectCore(machine: Machine): void {
  const executable = machine.ok(`readlink /proc/${mainPid(machine)}/exe`);
  expect(executable).toEndWith(`/core-${recordOf(machine).active.sha256}`);
}

/** Taken back on one machine; the other never had it. That one's reason. */
function expectCanaryOnly(world: World, version: string): { canary: Machine; reason: string } {
  expectRollout(world, version, "reverted", NEXT);
  const [canary, ...others] = machinesOf(world).filter((machine) => {
    const { refused, standby } = recordOf(machine);
    return standby?.version === version && standby.sha256 === refused;
  });
  if (canary === undefined) throw new Error("no machine has taken it back");
  expect(others).toHaveLength(0);
  for (const machine of machinesOf(world)) {
    expect(machine.ok("mycelium update status")).toContain(`Rollout of ${version}: reverted`);
    expect(machine.ok("mycelium sql 'SELECT count(*) FROM kept' --format csv")).toContain("1");
  }
  return { canary, reason: recordOf(canary).reason ?? "" };
}

const NETWORK: readonly Step[] = [
  {
    name: "two machines of one network, which look for releases every few seconds",
    async run({ first, second, releases }) {
      for (const machine of [first, second]) {
        configure(machine, QUICK_UPDATES);
        const unit = "/etc/systemd/system/mycelium.service.d";
        machine.ok(`mkdir -p ${unit}`);
        machine.ok(`printf '[Service]\\nWatchdogSec=${WATCHDOG_S}\\n' >${unit}/watchdog.conf`);
      }
      first.ok(curl(releases));
      second.ok(curl(releases, `join ${first.ok("mycelium token create")}`));
      await eventually(TIMEOUT_MS, () => {
        for (const machine of [first, second]) {
          expectRunning(machine, BASE);
          expect(statusOf(machine).peers).toHaveLength(1);
        }
      });
      first.ok("mycelium sql 'CREATE TABLE kept (x)'");
      first.ok("mycelium sql 'INSERT INTO kept VALUES (7)'");
    },
  },
  {
    name: "a release appears: the network decides, and each switches, the same process to systemd",
    async run(world) {
      const before = machinesOf(world).map(unitOf);
      world.releases.serve(UNSIGNED);
      await eventually(TIMEOUT_MS, () => expectRollout(world, NEXT, "done", NEXT));
      for (const [i, machine] of machinesOf(world).entries()) {
        expectCore(machine);
        expect(unitOf(machine)).toMatchObject({
          MainPID: before[i]?.["MainPID"],
          NRestarts: "0",
          ActiveEnterTimestampMonotonic: before[i]?.["ActiveEnterTimestampMonotonic"],
          ActiveState: "active",
          StatusText: "serving",
        });
        expect(machine.ok("mycelium update status")).toContain(`Rollout of ${NEXT}: done`);
        expect(machine.ok("mycelium sql 'SELECT x FROM kept' --format csv")).toContain("7");
      }
    },
  },
  {
    name: "its process goes on feeding systemd's watchdog",
    async run(world) {
      const before = machinesOf(world).map(mainPid);
      for (const machine of machinesOf(world)) {
        const fedAtUs = watchdogFedAtUs(machine);
        await eventually(TIMEOUT_MS, () => {
          expect(watchdogFedAtUs(machine) - fedAtUs).toBeGreaterThan(2_000_000 * WATCHDOG_S);
        });
        expect(unitOf(machine)["NRestarts"]).toBe("0");
      }
      expect(machinesOf(world).map(mainPid)).toEqual(before);
    },
  },
];

const LAUNCHERS: readonly Step[] = [
  {
    name: "another launcher, whose sums the publisher has not signed: refused by root, and said",
    async run(world) {
      for (const machine of machinesOf(world)) {
        await eventually(TIMEOUT_MS, () => {
          const { healthy, problems } = statusOf(machine);
          expect(healthy).toBe(true);
          expect(problems.map(({ why }) => why).join()).toContain("not signed by the release key");
        });
        expect(launcherOf(machine, PROGRAM).version).toBe(BASE);
      }
    },
  },
  {
    name: "another launcher, signed: root puts it in place, and what runs is not disturbed",
    async run(world) {
      const [old] = machinesOf(world).map((machine) => launcherOf(machine, PROGRAM));
      const before = machinesOf(world).map(unitOf);
      world.releases.serve(NEXT);
      for (const [i, machine] of machinesOf(world).entries()) {
        await eventually(TIMEOUT_MS, () => expect(launcherOf(machine, PROGRAM).version).toBe(NEXT));
        expect(launcherOf(machine, PROGRAM).launcherSha256).not.toBe(old?.launcherSha256);
        expect(launcherOf(machine, `${PROGRAM}.previous`)).toEqual(old as Launcher);
        expect(machine.ok(`stat -c %U:%a ${PROGRAM}`)).toBe("root:755");
        await eventually(TIMEOUT_MS, () => {
          expect(recordOf(machine).payload).toBe(recordOf(machine).active.sha256);
          expect(
            statusOf(machine)
              .problems.map(({ what }) => what)
              .join(),
          ).not.toMatch(/launcher/);
        });
        expect(unitOf(machine)).toEqual(before[i] as Record<string, string>);
        expectRunning(machine, NEXT);
      }
    },
  },
];

const BROKEN: readonly Step[] = [
  {
    name: "a release that serves and then hangs: systemd's watchdog ends it, three times; it goes back",
    async run(world) {
      for (const machine of machinesOf(world)) machine.ok(`echo 'hang 3' >${STATE}/FAULT`);
      world.releases.serve(HANGING);
      const { canary, reason } = await eventually(TIMEOUT_MS, () =>
        expectCanaryOnly(world, HANGING),
      );
      expect(reason).toContain("started 3 times and never confirmed healthy");
      expect(Number(unitOf(canary)["NRestarts"])).toBe(3);
      expect(canary.ok("journalctl -u mycelium --no-pager")).toContain("Watchdog timeout");
      const ran = machinesOf(world).filter(
        (machine) => machine.run(`ls ${STATE}/RAN`).status === 0,
      );
      expect(ran).toHaveLength(1);
    },
  },
  {
    name: "a release that crashes at its start: the unit's restarts count it out",
    async run(world) {
      world.releases.serve(CRASHING);
      const { canary, reason } = await eventually(TIMEOUT_MS, () =>
        expectCanaryOnly(world, CRASHING),
      );
      expect(reason).toContain("started 3 times");
      expect(updateOf(canary).node.refused).toContain("started 3 times");
    },
  },
  {
    name: "the release after them goes to both, by the launcher that was put in place",
    async run(world) {
      world.releases.serve(LAST);
      await eventually(TIMEOUT_MS, () => expectRollout(world, LAST, "done", LAST));
      machinesOf(world).forEach(expectCore);
    },
  },
];

export const ROLLOUT: Scenario = {
  name: "rollout",
  offlineVersion: BASE,
  firstVersion: BASE,
  makeReleases,
  steps: [...NETWORK, ...LAUNCHERS, ...BROKEN],
  fewSteps: [],
};
