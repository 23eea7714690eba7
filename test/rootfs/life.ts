/**
 * What happens to a machine in its life, step by step: each step stands on those before it, and throws when what must
 * hold does not. The release served is `GOOD[0]`, unless a step says otherwise.
 */

import { expect } from "bun:test";
import {
  configure,
  curl,
  eventually,
  expectNothing,
  expectRunning,
  mainPid,
  recordOf,
  statusOf,
  UNITS,
} from "./checks.ts";
import type { Machine } from "./machine.ts";
import type { Releases } from "./releases.ts";
import type { Scenario, Step } from "./scenario.ts";

const CONFIRM_TIMEOUT_MS = 90_000;
const REVERT_TIMEOUT_MS = 120_000;
const GOOD = ["0.8.0", "0.8.1"] as const;
const CRASHING = "0.8.2";
const HANGING = "0.8.3";
const HANGING_TOO = "0.8.4";
const MENDED = "0.8.5";
/** As `systemd-analyze security` prints it: 3.0. */
const EXPOSURE_MAX = 3;
const HELPER = "/run/mycelium-helper.sock";
const HANDED_OVER = "/var/lib/mycelium/update/launcher";
/** What is under test here is the operator's way: the network itself updates nothing. */
const SETTINGS = [
  "MYCELIUM_UPDATE_APPROVAL=operator",
  "MYCELIUM_UPDATE_CONFIRM_AFTER=5s",
  "MYCELIUM_UPDATE_HEALTH_INTERVAL=1s",
  "MYCELIUM_CONFIRM_TIMEOUT=40",
];

async function makeReleases(releases: Releases): Promise<void> {
  const hangs = (n: number) => `#!/bin/sh\n# ${n}\nexec sleep 1000000\n`;
  await releases.make(GOOD[0]);
  await releases.make(GOOD[1], { after: GOOD[0] });
  const crashes = "#!/bin/sh\necho 'this core crashes' >&2\nexit 1\n";
  await releases.make(CRASHING, { after: GOOD[1], script: crashes });
  await releases.make(HANGING, { after: GOOD[1], script: hangs(1) });
  await releases.make(HANGING_TOO, { after: GOOD[1], script: hangs(2) });
  await releases.make(MENDED, { after: GOOD[1] });
}

const INSTALL: readonly Step[] = [
  {
    name: "a dry run changes nothing",
    run({ first, second, releases }) {
      configure(first, SETTINGS);
      configure(second, SETTINGS);
      expect(first.ok(curl(releases, "--dry-run"))).toContain("SHA256SUMS");
      expectNothing(first);
    },
  },
  {
    name: "a port that is taken: said, and nothing is left behind",
    run({ first, releases }) {
      first.ok("systemd-run -q --unit=taken socat TCP-LISTEN:8080,reuseaddr EXEC:/bin/cat");
      const { status, error } = first.run(curl(releases));
      first.ok("systemctl stop taken");
      expect(status).not.toBe(0);
      expect(error).toContain("PORT 8080 is taken");
      expect(error).toContain("Nothing was installed");
      expectNothing(first);
    },
  },
  {
    name: "curl | sh: a healthy node, as a unit of its own user",
    run({ first, releases }) {
      expect(first.ok(curl(releases))).toContain("token create");
      expectRunning(first, GOOD[0]);
      expect(first.ok("stat -c %U:%a /var/lib/mycelium")).toBe("mycelium:700");
      expect(first.ok("stat -c %U:%a /usr/local/bin/mycelium")).toBe("root:755");
      expect(first.ok(`ps -o user= -p ${mainPid(first)}`)).toBe("mycelium");
      expect(first.ok("mycelium config --json")).toContain(releases.url);
      expect(first.ok("mycelium logs --lines 1")).toStartWith("{");
    },
  },
  {
    name: "the units as systemd has loaded them are exposed 3.0 at most",
    run({ first }) {
      for (const unit of ["mycelium.service", "mycelium-helper@.service"]) {
        const said = first.ok(`systemd-analyze security --no-pager ${unit} | tail -1`);
        expect(Number(/: ([\d.]+) /.exec(said)?.[1])).toBeLessThanOrEqual(EXPOSURE_MAX);
      }
    },
  },
  {
    name: "run again it does nothing",
    run({ first, releases }) {
      const before = mainPid(first);
      expect(first.ok(curl(releases))).toContain("installed already");
      expect(mainPid(first)).toBe(before);
    },
  },
  {
    name: "systemctl restart, kill -9, a reboot: the node comes back",
    async run({ first }) {
      first.ok(
        "mycelium sql 'CREATE TABLE kept (x)' && mycelium sql 'INSERT INTO kept VALUES (7)'",
      );
      first.ok("systemctl restart mycelium");
      await eventually(CONFIRM_TIMEOUT_MS, () => expectRunning(first, GOOD[0]));
      first.ok(`kill -9 ${mainPid(first)}`);
      await eventually(CONFIRM_TIMEOUT_MS, () => expectRunning(first, GOOD[0]));
      await first.reboot();
      await eventually(CONFIRM_TIMEOUT_MS, () => expectRunning(first, GOOD[0]));
      expect(first.ok("mycelium sql 'SELECT x FROM kept' --format csv")).toContain("7");
    },
  },
  {
    name: "curl | sh -s -- join TOKEN: a second machine is a node of it",
    async run({ first, second, releases }) {
      const token = first.ok("mycelium token create");
      second.ok(curl(releases, `join ${token}`));
      await eventually(CONFIRM_TIMEOUT_MS, () => {
        expectRunning(second, GOOD[0]);
        expect(statusOf(second).network).toEqual(statusOf(first).network);
        expect(statusOf(first).peers).toHaveLength(1);
      });
    },
  },
];

const UPGRADE: readonly Step[] = [
  {
    name: "curl | sh of a newer release: on trial, then confirmed; the predecessor stays",
    async run({ second, releases }) {
      releases.serve(GOOD[1]);
      expect(second.ok(curl(releases))).toContain("on trial");
      await eventually(CONFIRM_TIMEOUT_MS, () => {
        expectRunning(second, GOOD[1]);
        expect(recordOf(second)).toMatchObject({
          state: "confirmed",
          standby: { version: GOOD[0] },
        });
      });
      second.ok("test -x /usr/local/bin/mycelium.previous");
    },
  },
  {
    name: "a release that crashes at its start: the node runs the one before, and says why",
    async run({ second, releases }) {
      releases.serve(CRASHING);
      const { status, error } = second.run(curl(releases));
      expect({ status, error }).toEqual({
        status: 1,
        error: expect.stringContaining("the new version was taken back"),
      });
      await eventually(REVERT_TIMEOUT_MS, () => expectRunning(second, GOOD[1]));
      expect(recordOf(second).reason).toContain("started 3 times");
    },
  },
  {
    name: "no version older than the state allows, no release with another key",
    run({ second, releases }) {
      releases.serve(GOOD[1]);
      const forged = second.run(`curl -fsSL ${releases.url}/install.sh | sed 's/^M/N/' | sh`);
      expect(forged.status).not.toBe(0);
      expect(forged.error).toContain("not signed by the release key");
      expectRunning(second, GOOD[1]);
    },
  },
];

/** As root, who runs nothing out of the service's directory. */
const version = (machine: Machine) =>
  JSON.parse(machine.ok("timeout 20 mycelium version --json")).version;

const HANG: readonly Step[] = [
  {
    name: "a release that hangs in whatever it does: install.sh puts the file before it back",
    async run({ second, releases }) {
      releases.serve(HANGING);
      const { status, error } = second.run(curl(releases));
      expect({ status, error }).toEqual({
        status: 1,
        error: expect.stringMatching(/was taken back.*not confirmed healthy within 40 s/),
      });
      await eventually(REVERT_TIMEOUT_MS, () => expectRunning(second, GOOD[1]));
      expect(second.ok("mycelium --launcher-info")).toContain(`"version":"${GOOD[1]}"`);
    },
  },
  {
    name: "one that is taken back when install.sh has ended: root's commands run the one before as well",
    async run({ second, releases }) {
      releases.serve(HANGING_TOO);
      second.ok(curl(releases, "--no-start"));
      second.ok("systemctl restart --no-block mycelium");
      await eventually(REVERT_TIMEOUT_MS, () => {
        expect(recordOf(second).reason).toContain("not confirmed healthy within 40 s");
      });
      await eventually(REVERT_TIMEOUT_MS, () => expectRunning(second, GOOD[1]));
      expect(version(second)).toBe(GOOD[1]);
      expect(second.ok("mycelium --launcher-info")).toContain(`"version":"${HANGING_TOO}"`);
    },
  },
  {
    name: "installed again it is refused, with the reason; what runs goes on",
    run({ second, releases }) {
      const before = mainPid(second);
      const { status, error } = second.run(curl(releases));
      expect({ status, error }).toEqual({
        status: 1,
        error: expect.stringMatching(/nothing was changed.*not confirmed healthy within 40 s/),
      });
      expect(mainPid(second)).toBe(before);
      expectRunning(second, GOOD[1]);
    },
  },
  {
    name: "the release after it is installed, and what hung is no way back",
    async run({ second, releases }) {
      releases.serve(MENDED);
      second.ok(curl(releases));
      await eventually(CONFIRM_TIMEOUT_MS, () => {
        expectRunning(second, MENDED);
        expect(recordOf(second).state).toBe("confirmed");
      });
      expect(version(second)).toBe(MENDED);
      const before = second.ok("/usr/local/bin/mycelium.previous --launcher-info");
      expect(before).toContain(`"version":"${GOOD[1]}"`);
    },
  },
];

const HELPER_STEPS: readonly Step[] = [
  {
    name: "the root helper: the agent's user is served, no other; nothing runs afterwards",
    run({ second }) {
      expect(askHelper(second, "unit status k3s")).toBe("ok inactive");
      expect(askHelper(second, "unit start sshd")).toStartWith("refused ");
      expect(askHelper(second, "interface delete lo")).toStartWith("refused ");
      expect(askHelper(second, "unit status k3s", "nobody")).toBe("");
      expect(askHelper(second, "unit status k3s", "root")).toStartWith("refused only the owner");
      expect(second.ok("systemctl list-units --no-legend 'mycelium-helper@*'")).toBe("");
    },
  },
  {
    name: "the root helper makes, changes and removes an interface",
    run({ second }) {
      expect(askHelper(second, "interface create myc0 bridge")).toBe("ok myc0");
      expect(askHelper(second, "interface change myc0 address 10.9.8.7/24")).toBe("ok myc0");
      expect(second.ok("ip -o addr show myc0")).toContain("10.9.8.7/24");
      expect(askHelper(second, "interface delete myc0")).toBe("ok myc0");
    },
  },
  {
    name: "the root helper installs a signed launcher, and refuses an altered or an older one",
    run({ second, releases }) {
      const install = () => askHelper(second, `install-launcher ${HANDED_OVER}`);
      const [older, newer] = GOOD;
      handOver(second, releases, newer);
      expect(install()).toBe(`ok ${newer}`);
      second.ok(`printf x >>${HANDED_OVER}/mycelium`, "mycelium");
      expect(install()).toStartWith("refused the file is none of this release");
      handOver(second, releases, older);
      expect(install()).toBe(`refused ${older} is older than the installed ${newer}`);
      expectRunning(second, newer);
    },
  },
];

function askHelper(machine: Machine, words: string, user = "mycelium"): string {
  return machine.run(`echo '${words}' | socat -t 100 - UNIX-CONNECT:${HELPER}`, user).out;
}

/** What the agent does before it asks for another launcher. */
function handOver(machine: Machine, releases: Releases, version: string): void {
  const name = `mycelium-linux-${releases.arch}`;
  machine.ok(
    `set -e; mkdir -p ${HANDED_OVER}; cd ${HANDED_OVER}; get() { curl -fsS -o "$1" "${releases.url}/$2"; }
    get SHA256SUMS SHA256SUMS; get SHA256SUMS.sig SHA256SUMS.sig
    wanted=$(awk '$2 == "${version}/${name}" { print $1 }' SHA256SUMS)
    get mycelium targets/${version}/$wanted.${name}`,
    "mycelium",
  );
}

const REMOVE: readonly Step[] = [
  {
    name: "--uninstall keeps the data, and installing again finds it",
    async run({ second, releases }) {
      const before = statusOf(second).node.id;
      second.ok(curl(releases, "--uninstall"));
      expect(second.run(`ls ${UNITS} /usr/local/bin/mycelium`).out).toBe("");
      second.ok("test -f /var/lib/mycelium/node.key");
      second.ok(curl(releases));
      await eventually(CONFIRM_TIMEOUT_MS, () => expectRunning(second, MENDED));
      expect(statusOf(second).node.id).toBe(before);
    },
  },
  {
    name: "--uninstall --purge leaves nothing",
    run({ second, releases }) {
      second.ok(curl(releases, "--uninstall --purge"));
      expectNothing(second);
    },
  },
  {
    name: "offline: from four files of a release that somebody copied, with no network at all",
    async run({ second, releases }) {
      const files = `install.sh SHA256SUMS SHA256SUMS.sig mycelium-linux-${releases.arch}`;
      second.ok(`mkdir /opt/copied && cd /release && cp ${files} /opt/copied`);
      second.ok("cd /opt/copied && sha256sum --quiet --ignore-missing -c SHA256SUMS");
      second.ok("ip link set host0 down");
      expect(second.run("ip route").out).toBe("");
      expect(second.ok("cd / && sh /opt/copied/install.sh")).toContain("Looking at /opt/copied");
      await eventually(CONFIRM_TIMEOUT_MS, () => expectRunning(second, GOOD[1]));
    },
  },
];

export const LIFE: Scenario = {
  name: "life",
  offlineVersion: GOOD[1],
  firstVersion: GOOD[0],
  makeReleases,
  steps: [...INSTALL, ...UPGRADE, ...HELPER_STEPS, ...HANG, ...REMOVE],
  fewSteps: INSTALL.slice(0, 5),
};
