/** One node of a test cluster: the executable as a process that is killed, stopped, continued and started again. */

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { LocalClient } from "../../src/client/index.ts";
import { localSocketPath, type Status, type UpdateStatus } from "../../src/domain/api/index.ts";
import type { Target } from "./http-connection.ts";
import { ended, output } from "./processes.ts";
import type { Place } from "./test-network.ts";

export interface NodeOptions {
  readonly executable: string;
  readonly state: string;
  readonly logFile: string;
  readonly place: Place;
  /** Beside those of `place`. */
  readonly settings: Readonly<Record<string, string>>;
  /** Told when the process ends that nobody asked to. */
  readonly onDeath: (what: string) => void;
}

export class ClusterNode {
  readonly state: string;
  readonly target: Target;
  readonly #options: NodeOptions;
  readonly #client: LocalClient;
  #child: ChildProcess | null = null;
  #isPaused = false;
  /** Set from the first status on. */
  id = "";
  /** kill -9 so far. */
  killCount = 0;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.state = options.state;
    this.target = { host: options.place.host, port: options.place.httpPort };
    this.#client = new LocalClient(localSocketPath(options.state));
  }

  /** Of the process that runs; null when none does. */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** Neither killed nor paused. */
  get isUp(): boolean {
    return this.#child !== null && !this.#isPaused;
  }

  /** Runs a command of the executable where the node lives. Throws on a failure. */
  async command(...args: string[]): Promise<string> {
    const { executable, place } = this.#options;
    return (await output([...place.enter, executable, ...args, "--state", this.state])).trim();
  }

  /** The flags by which `init` and `join` fix the ports. */
  get portFlags(): string[] {
    const { httpPort, peerPort, gossipPort, host } = this.#options.place;
    return [
      ...["--host", host, "--port", String(httpPort)],
      ...["--p2p-port", String(peerPort), "--gossip-port", String(gossipPort)],
    ];
  }

  start(): void {
    if (this.#child !== null) throw new Error(`${this.state} runs already`);
    const { executable, place, logFile, settings, onDeath } = this.#options;
    const [command = "", ...args] = [...place.enter, executable, "run", "--state", this.state];
    const log = openSync(logFile, "a");
    const env: NodeJS.ProcessEnv = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ...settings };
    const child = spawn(command, args, { stdio: ["ignore", log, log], env });
    closeSync(log);
    this.#child = child;
    this.#isPaused = false;
    child.once("exit", (code, signal) => {
      if (this.#child !== child) return;
      this.#child = null;
      onDeath(`node ${this.state} ended by itself (${signal ?? code}):\n${this.lastLog(4)}`);
    });
  }

  /** Ends the process and waits for that; nothing when it does not run. */
  async kill(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#child = null;
    if (signal === "SIGKILL") this.killCount++;
    child.kill(signal);
    if (this.#isPaused && signal === "SIGTERM") child.kill("SIGCONT");
    await ended(child);
  }

  pause(): void {
    this.#isPaused = this.#child?.kill("SIGSTOP") ?? false;
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
    this.#isPaused = false;
  }

  /** What `status --json` prints. Rejects when the node does not answer. */
  async status(): Promise<Status> {
    const status = await this.#client.status();
    this.id = status.node.id;
    return status;
  }

  /** What `update status --json` prints. Rejects when the node does not answer. */
  update(): Promise<UpdateStatus> {
    return this.#client.update();
  }

  lastLog(lineCount: number): string {
    return readFileSync(this.#options.logFile, "utf8")
      .trimEnd()
      .split("\n")
      .slice(-lineCount)
      .join("\n");
  }
}
