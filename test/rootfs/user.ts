/** A user's own node, in the user's home, without root and without systemd: it keeps itself up to date all the same. */

import { expect } from "bun:test";
import type { UpdateStatus } from "../../src/domain/api/index.ts";
import { curl, eventually, launcherOf, QUICK_UPDATES } from "./checks.ts";
import type { Machine } from "./machine.ts";
import type { Releases } from "./releases.ts";
import type { Scenario, Step } from "./scenario.ts";

const TIMEOUT_MS = 240_000;
const OLD = "0.9.0";
const NEW = "0.9.1";
const USER = "somebody";
const PROGRAM = `/home/${USER}/.local/bin/mycelium`;

async function makeReleases(releases: Releases): Promise<void> {
  await releases.make(OLD);
  await releases.make(NEW, { after: OLD, hasOtherLauncher: true });
}

const asUser = (machine: Machine, script: string) =>
  machine.ok(`cd; export PATH=$HOME/.local/bin:$PATH; ${script}`, USER);
const updateOf = (machine: Machine): UpdateStatus =>
  JSON.parse(asUser(machine, "mycelium update status --json"));
const slotsOf = (machine: Machine) => JSON.parse(asUser(machine, "mycelium --launcher-info")).slots;

const STEPS: readonly Step[] = [
  {
    name: "curl | sh: a healthy node in the user's home",
    run({ first, releases }) {
      first.ok(`useradd --create-home ${USER}`);
      const settings = QUICK_UPDATES.map((one) => `export ${one}; `).join("");
      // A pipe would be waited for as long as the node holds it.
      asUser(first, `${settings} (${curl(releases)}) >install.log 2>&1`);
      expect(updateOf(first).node.version).toBe(OLD);
      expect(first.run("ls /usr/local/bin/mycelium /var/lib/mycelium").out).toBe("");
    },
  },
  {
    name: "a release appears: it switches to it, in the same process",
    async run({ first, releases }) {
      const before = asUser(first, "cat .local/state/mycelium/mycelium.pid");
      releases.serve(NEW);
      await eventually(TIMEOUT_MS, () => {
        expect(updateOf(first).plan).toMatchObject({ version: NEW, state: "done" });
        expect(slotsOf(first)).toMatchObject({ active: { version: NEW }, state: "confirmed" });
      });
      expect(asUser(first, "cat .local/state/mycelium/mycelium.pid")).toBe(before);
      expect(first.ok(`readlink /proc/${before}/exe`)).toContain("/slots/core-");
    },
  },
  {
    name: "and replaces its launcher, which starts it the next time",
    async run({ first }) {
      await eventually(TIMEOUT_MS, () => expect(launcherOf(first, PROGRAM).version).toBe(NEW));
      const [fresh, old] = [PROGRAM, `${PROGRAM}.previous`].map((path) => launcherOf(first, path));
      expect(old?.version).toBe(OLD);
      expect(fresh?.launcherSha256).not.toBe(old?.launcherSha256);
      expect(first.ok(`stat -c %U:%a ${PROGRAM}`)).toBe(`${USER}:755`);
      asUser(first, "mycelium stop && mycelium run --background >run.log 2>&1");
      expect(updateOf(first).node.version).toBe(NEW);
      expect(slotsOf(first)).toMatchObject({ active: { version: NEW }, state: "confirmed" });
    },
  },
];

export const OF_A_USER: Scenario = {
  name: "user",
  offlineVersion: OLD,
  firstVersion: OLD,
  makeReleases,
  steps: STEPS,
  fewSteps: [],
};
