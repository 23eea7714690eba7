/** The disk of all machines that forgets what was not synced: builds, mounts and commands `powerfs.c`. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { until } from "../cluster/processes.ts";

const SOURCE = join(import.meta.dir, "powerfs.c");

/** Why there can be none here; null where there can. */
export function powerDiskProblem(): string | null {
  if (process.getuid?.() !== 0) return "mounting FUSE file systems needs root";
  if (!existsSync("/dev/fuse")) return "/dev/fuse is missing";
  if (Bun.which("gcc") === null) return "gcc is missing";
  if (fuseFlags() === null) return "libfuse 3 is missing (Debian: libfuse3-dev, pkg-config)";
  return null;
}

export class PowerDisk {
  /** Where a machine's files are: `directory/NAME`. */
  readonly directory: string;
  readonly #control: string;
  readonly #child: ChildProcess;

  private constructor(directory: string, control: string, child: ChildProcess) {
    this.directory = directory;
    this.#control = control;
    this.#child = child;
  }

  /** Compiles and mounts it inside `directory`. Throws when that fails. */
  static async mount(directory: string): Promise<PowerDisk> {
    const binary = join(directory, "powerfs");
    const flags = fuseFlags() ?? [];
    const built = spawnSync("gcc", ["-O2", "-Wall", "-o", binary, SOURCE, ...flags, "-lpthread"]);
    if (built.status !== 0) throw new Error(`powerfs does not compile: ${built.stderr.toString()}`);
    const mountPoint = join(directory, "disk");
    const control = join(directory, "power.sock");
    mkdirSync(mountPoint);
    const child = spawn(binary, [mountPoint, control], { stdio: ["ignore", "inherit", "inherit"] });
    process.once("exit", () => spawnSync("umount", ["-l", mountPoint]));
    const disk = new PowerDisk(mountPoint, control, child);
    await until("the disk's mount", async () => (existsSync(control) ? true : null));
    return disk;
  }

  /**
   * The power of a machine goes; its processes are dead already. Of what was not synced, each sector, length and
   * name survives with `survivalPercent`.
   */
  async cut(machine: string, seed: number, survivalPercent: number): Promise<void> {
    await this.#command(`cut ${machine} ${seed} ${survivalPercent}`);
  }

  /** Every sync takes so long at least. */
  async slow(delayMs: number): Promise<void> {
    await this.#command(`slow ${Math.round(delayMs * 1_000)}`);
  }

  async unmount(): Promise<void> {
    spawnSync("umount", [this.directory]);
    // It goes on by itself while another mount namespace, made meanwhile by whoever, still has the disk in it.
    this.#child.kill("SIGKILL");
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      await new Promise((resolve) => this.#child.once("exit", resolve));
    }
  }

  #command(line: string): Promise<void> {
    return new Promise((resolve, reject) => {
      let answer = "";
      const socket = connect(this.#control, () => socket.write(line));
      socket.on("data", (chunk) => {
        answer += chunk.toString();
      });
      socket.on("error", reject);
      socket.on("close", () => {
        if (answer === "ok\n") resolve();
        else reject(new Error(`powerfs answered ${JSON.stringify(answer)} to ${line}`));
      });
    });
  }
}

function fuseFlags(): string[] | null {
  const asked = spawnSync("pkg-config", ["--cflags", "--libs", "fuse3"]);
  if (asked.status !== 0) return null;
  return asked.stdout.toString().trim().split(/\s+/);
}
