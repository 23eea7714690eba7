/**
 * What happens to a machine in its life, step by step: each step stands on those before it, and throws when what must
 * hold does not. The release served is `releases.good[0]`, unless a step says otherwise.
 */

import { expect } from "bun:test";
import type { Machine } from "./machine.ts";
import type { Releases } from "./releases.ts";

export interface World {
  readonly first: Machine;
  readonly second: Machine;
  readonly releases: Releases;
}

export interface Step {
  readonly name: string;
  run(world: World): Promise<void> | void;
}

const POLL_INTERVAL_MS = 500;
const CONFIRM_TIMEOUT_MS = 90_000;
const REVERT_TIMEOUT_MS = 120_000;
/** As `systemd-analyze security` prints it: 3.0. */
const EXPOSURE_MAX = 3;
const HELPER = "/run/mycelium-helper.sock";
const HANDED_OVER = "/var/lib/mycelium/update/launcher";
const UNITS = "/etc/systemd/system/mycelium.service /etc/systemd/system/mycelium-helper.socket";

const curl = (releases: Releases, words = "") =>
  `curl -fsSL ${releases.url}/install.sh | sh -s -- ${words}`;
const status = (machine: Machine) => JSON.parse(machine.ok("mycelium status --json"));
const mainPid = (machine: Machine) => machine.ok("systemctl show -p MainPID --value mycelium");
const record = (machine: Machine) => machine.ok("cat /var/lib/mycelium/slots/record");

/** Until `holds` does not throw any more. */
async function eventually(timeoutMs: number, holds: () => void): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      holds();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await Bun.sleep(POLL_INTERVAL_MS);
  }
}

/** The unit is up, the node healthy, and this version the one that runs. */
function expectRunning(machine: Machine, version: string): void {
  expect(machine.ok("systemctl is-active mycelium")).toBe("active");
  const { healthy, problems } = status(machine);
  // Notices are about the network: two voters, for one.
  const ill = problems.filter(({ severity }: { severity: string }) => severity !== "notice");
  expect({ healthy, ill }).toEqual({ healthy: true, ill: [] });
  expect(JSON.parse(machine.ok("mycelium version --json")).version).toBe(version);
  expect(record(machine)).toContain(`active-version ${version}\n`);
}

function expectNothing(machine: Machine): void {
  expect(machine.run("ls /usr/local/bin/mycelium /usr/local/lib/mycelium").status).not.toBe(0);
  expect(machine.run(`ls ${UNITS}`).out).toBe("");
  expect(machine.run("id mycelium").status).not.toBe(0);
  expect(machine.run("ls -d /var/lib/mycelium /var/cache/mycelium").out).toBe("");
}

/** What is under test here is the operator's way: the network itself updates nothing. */
const ENVIRONMENT = "MYCELIUM_UPDATE_APPROVAL=operator\nMYCELIUM_UPDATE_CONFIRM_AFTER=5s";

function configure(machine: Machine): void {
  machine.ok(`mkdir -p /etc/mycelium; printf '${ENVIRONMENT}\n' >/etc/mycelium/environment`);
}

const INSTALL: readonly Step[] = [
  {
    name: "a dry run changes nothing",
    run({ first, second, releases }) {
      configure(first);
      configure(second);
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
      expectRunning(first, releases.good[0]);
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
    async run({ first, releases }) {
      first.ok(
        "mycelium sql 'CREATE TABLE kept (x)' && mycelium sql 'INSERT INTO kept VALUES (7)'",
      );
      first.ok("systemctl restart mycelium");
      await eventually(CONFIRM_TIMEOUT_MS, () => expectRunning(first, releases.good[0]));
      first.ok(`kill -9 ${mainPid(first)}`);
      await eventually(CONFIRM_TIMEOUT_MS, () => expectRunning(first, releases.good[0]));
      await first.reboot();
      await eventually(CONFIRM_TIMEOUT_MS, () => expectRunning(first, releases.good[0]));
      expect(first.ok("mycelium sql 'SELECT x FROM kept' --format csv")).toContain("7");
    },
  },
  {
    name: "curl | sh -s -- join TOKEN: a second machine is a node of it",
    async run({ first, second, releases }) {
      const token = first.ok("mycelium token create");
      second.ok(curl(releases, `join ${token}`));
      await eventually(CONFIRM_TIMEOUT_MS, () => {
        expectRunning(second, releases.good[0]);
        expect(status(second).network).toEqual(status(first).network);
        expect(status(first).peers).toHaveLength(1);
      });
    },
  },
];

const UPGRADE: readonly Step[] = [
  {
    name: "curl | sh of a newer release: on trial, then confirmed; the predecessor stays",
    async run({ second, releases }) {
      releases.serve(releases.good[1]);
      expect(second.ok(curl(releases))).toContain("on trial");
      await eventually(CONFIRM_TIMEOUT_MS, () => {
        expectRunning(second, releases.good[1]);
        expect(record(second)).toContain("state confirmed\n");
        expect(record(second)).toContain(`standby-version ${releases.good[0]}\n`);
      });
      second.ok("test -x /usr/local/bin/mycelium.previous");
    },
  },
  {
    name: "a release that crashes at its start: the node runs the one before, and says why",
    async run({ second, releases }) {
      releases.serve(releases.bad);
      const { status, error } = second.run(curl(releases));
      expect({ status, error }).toEqual({
        status: 1,
        error: expect.stringContaining("the new version was taken back"),
      });
      await eventually(REVERT_TIMEOUT_MS, () => expectRunning(second, releases.good[1]));
      expect(record(second)).toMatch(/\nrefused [0-9a-f]{64}\nreason [^-\n]/);
    },
  },
  {
    name: "no version older than the state allows, no release with another key",
    run({ second, releases }) {
      releases.serve(releases.good[1]);
      const forged = second.run(`curl -fsSL ${releases.url}/install.sh | sed 's/^M/N/' | sh`);
      expect(forged.status).not.toBe(0);
      expect(forged.error).toContain("not signed by the release key");
      expectRunning(second, releases.good[1]);
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
      const [older, newer] = releases.good;
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
      const before = status(second).node.id;
      second.ok(curl(releases, "--uninstall"));
      expect(second.run(`ls ${UNITS} /usr/local/bin/mycelium`).out).toBe("");
      second.ok("test -f /var/lib/mycelium/node.key");
      second.ok(curl(releases));
      await eventually(CONFIRM_TIMEOUT_MS, () => expectRunning(second, releases.good[1]));
      expect(status(second).node.id).toBe(before);
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
    name: "offline, from a directory",
    async run({ second, releases }) {
      second.ok("ip link set host0 down && sh /release/install.sh");
      await eventually(CONFIRM_TIMEOUT_MS, () => expectRunning(second, releases.good[1]));
    },
  },
];

export const ALL_STEPS: readonly Step[] = [...INSTALL, ...UPGRADE, ...HELPER_STEPS, ...REMOVE];
/** Under emulation, where everything takes many times as long. */
export const FEW_STEPS: readonly Step[] = INSTALL.slice(0, 5);
