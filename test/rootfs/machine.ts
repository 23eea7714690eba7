/**
 * One Debian machine: systemd as process 1 in systemd-nspawn, over a root file system that stays as it is. Runs
 * without registration, from a cgroup of its own in systemd's hierarchy where this host's process 1 is no systemd.
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { BRIDGE } from "./network.ts";

const START_TIMEOUT_MS = 120_000;
/** Of a script: longer than any takes. */
const RUN_TIMEOUT_MS = 300_000;
const STOP_TIMEOUT_MS = 40_000;
const POLL_INTERVAL_MS = 250;
const CGROUP = "/sys/fs/cgroup/systemd/mycelium-rootfs";
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * In nspawn over this host's cgroups (version 1) systemd 257 is not told when a group is empty: it waits as long as this
 * for a process that it has killed.
 */
const NESTED = "[Service]\nTimeoutStopSec=5\n";
const EMULATED = "[Service]\nPrivateUsers=no\nWatchdogSec=0\nTimeoutStartSec=600\n";

export interface MachineOptions {
  readonly name: string;
  /** Left as it is: what the machine writes goes to `scratch`. */
  readonly rootfs: string;
  readonly scratch: string;
  readonly address: string;
  /** Shown in the machine as /release, read-only. */
  readonly release: string;
  /** Under qemu-user, which cannot make user namespaces, and where a second takes many. */
  readonly isEmulated: boolean;
}

export interface Run {
  readonly status: number | null;
  readonly out: string;
  readonly error: string;
}

export class Machine {
  readonly name: string;
  readonly address: string;
  readonly #options: MachineOptions;
  readonly #root: string;
  #child: ChildProcess | null = null;

  constructor(options: MachineOptions) {
    this.name = options.name;
    this.address = options.address;
    this.#options = options;
    this.#root = `${options.scratch}/${options.name}/root`;
  }

  /** Resolves when its systemd has started everything. */
  async start(): Promise<void> {
    this.#layOver();
    await this.#boot();
  }

  get consolePath(): string {
    return `${this.#options.scratch}/${this.name}/console.log`;
  }

  /** Runs a shell script in the machine as root, or as another user of it. */
  run(script: string, user = "root"): Run {
    const leader = this.#leader();
    if (leader === null) throw new Error(`${this.name} does not run; see ${this.consolePath}`);
    const as =
      user === "root" ? [] : ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--clear-groups"];
    const words = ["-t", leader, "-m", "-u", "-i", "-n", "-p", "--", ...as];
    const { status, stdout, stderr } = spawnSync(
      "nsenter",
      [...words, "env", "-i", `PATH=${PATH}`, `HOME=${homeOf(user)}`, "sh", "-c", script],
      {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
        maxBuffer: 1 << 26,
        timeout: RUN_TIMEOUT_MS,
      },
    );
    return { status, out: stdout.trim(), error: stderr.trim() };
  }

  /** What the script printed. Throws when it failed. */
  ok(script: string, user = "root"): string {
    const { status, out, error } = this.run(script, user);
    if (status === 0) return out;
    throw new Error(`on ${this.name}: \`${script}\` ended with ${status}\n${out}\n${error}`);
  }

  /** The end of what its services have said, for who looks for a fault. */
  journal(): string {
    return `${this.name}:\n${this.run("journalctl --no-pager -n 40 -u 'mycelium*' -o cat").out}`;
  }

  /** With --keep-unit nspawn ends at a reboot, so that its own supervisor starts it again. */
  async reboot(): Promise<void> {
    const ended = new Promise((resolve) => this.#child?.once("exit", resolve));
    this.run("systemctl reboot");
    await ended;
    await this.#boot();
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child?.pid !== undefined && child.exitCode === null) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      // To nspawn this means: ask the machine to power off.
      child.kill("SIGTERM");
      const inTime = await Promise.race([ended, Bun.sleep(STOP_TIMEOUT_MS).then(() => "late")]);
      if (inTime === "late") child.kill("SIGKILL");
      await ended;
    }
    this.#child = null;
    spawnSync("umount", ["-l", this.#root]);
    rmSync(`${this.#options.scratch}/${this.name}`, { recursive: true, force: true });
  }

  async #boot(): Promise<void> {
    const words = [
      ...["--quiet", "--boot", "--register=no", "--keep-unit", "--link-journal=no"],
      ...[`--machine=${this.name}`, `--directory=${this.#root}`, `--network-bridge=${BRIDGE}`],
      `--bind-ro=${this.#options.release}:/release`,
    ];
    // One that was ended by force leaves its interface for a while.
    spawnSync("ip", ["link", "delete", `vb-${this.name}`]);
    const log = openSync(this.consolePath, "w");
    const inCgroup = existsSync("/sys/fs/cgroup/systemd/cgroup.procs")
      ? `mkdir -p ${CGROUP} && echo $$ >${CGROUP}/cgroup.procs && `
      : "";
    this.#child = spawn("sh", ["-c", `${inCgroup}exec systemd-nspawn "$@"`, "sh", ...words], {
      stdio: ["ignore", log, log],
      detached: true,
    });
    closeSync(log);
    await this.#untilStarted();
  }

  #layOver(): void {
    const base = `${this.#options.scratch}/${this.name}`;
    for (const part of ["upper", "work", "root"]) mkdirSync(`${base}/${part}`, { recursive: true });
    const layers = `lowerdir=${this.#options.rootfs},upperdir=${base}/upper,workdir=${base}/work`;
    const { status, stderr } = spawnSync("mount", [
      "-t",
      "overlay",
      "overlay",
      "-o",
      layers,
      this.#root,
    ]);
    if (status !== 0) throw new Error(`Cannot lay over ${this.#options.rootfs}: ${stderr}`);
    const units = `${this.#root}/etc/systemd/system`;
    mkdirSync(`${units}/multi-user.target.wants`, { recursive: true });
    writeFileSync(`${units}/address.service`, addressUnit(this.address));
    symlinkSync("../address.service", `${units}/multi-user.target.wants/address.service`);
    mkdirSync(`${units}/mycelium.service.d`);
    writeFileSync(`${units}/mycelium.service.d/nested.conf`, NESTED);
    if (this.#options.isEmulated) {
      writeFileSync(`${units}/mycelium.service.d/emulated.conf`, EMULATED);
    }
    writeFileSync(`${this.#root}/etc/hostname`, `${this.name}\n`);
  }

  /** Process 1 of the machine, as this host sees it. */
  #leader(): string | null {
    const pid = this.#child?.pid;
    if (pid === undefined) return null;
    try {
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
      return children.find((child) => child !== "" && isSystemd(child)) ?? null;
    } catch {
      return null;
    }
  }

  async #untilStarted(): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (performance.now() < deadline) {
      const leader = this.#leader();
      if (leader !== null) {
        const { out } = this.run(
          "systemctl is-system-running; systemctl is-active address.service",
        );
        if (/^(running|degraded)\nactive$/.test(out)) return;
      }
      if (this.#child?.exitCode !== null) break;
      await Bun.sleep(POLL_INTERVAL_MS);
    }
    throw new Error(
      `${this.name} does not start; the end of ${this.consolePath}:\n${this.#consoleEnd()}`,
    );
  }

  #consoleEnd(): string {
    return readFileSync(this.consolePath, "utf8").split("\n").slice(-15).join("\n");
  }
}

function isSystemd(pid: string): boolean {
  try {
    return /^(systemd|init)$|qemu/.test(readFileSync(`/proc/${pid}/comm`, "utf8").trim());
  } catch {
    return false;
  }
}

const homeOf = (user: string) => (user === "root" ? "/root" : `/home/${user}`);

function addressUnit(address: string): string {
  return `[Unit]
DefaultDependencies=no
Before=network.target network-online.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'ip link set lo up && ip link set host0 up && ip addr add ${address}/24 dev host0'
[Install]
WantedBy=multi-user.target
`;
}
