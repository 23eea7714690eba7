/**
 * The agent as this machine runs it: a systemd unit where systemd is process 1 and the unit is installed, else a
 * background process with its pid and log file in the state directory.
 */

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { MyceliumError } from "../base/index.ts";
import { backgroundPid, startInBackground, stopInBackground } from "./background.ts";
import { SYSTEM_STATE } from "./state-directory.ts";

const UNIT = "mycelium.service";
const UNIT_FILE = `/etc/systemd/system/${UNIT}`;

export interface Service {
  /** For people: "the systemd unit mycelium.service". */
  readonly name: string;
  readonly isRunning: boolean;
  /** Resolves when the agent answers. */
  start(): Promise<void>;
  /** Resolves when the agent has ended. */
  stop(): Promise<void>;
}

/** Null when nothing runs this node but a person's own `mycelium run`. */
export function serviceOf(
  stateDirectory: string,
  environment: Readonly<Record<string, string | undefined>>,
): Service | null {
  if (stateDirectory === SYSTEM_STATE && hasSystemdUnit()) return systemdService();
  const pid = backgroundPid(stateDirectory);
  if (pid === null) return null;
  return {
    name: `the background process of ${stateDirectory}`,
    isRunning: pid.isAlive,
    start: async () => void (await startInBackground(stateDirectory, [], environment)),
    stop: () => stopInBackground(stateDirectory),
  };
}

/** systemd is process 1, and our unit is installed (sd_booted(3)). */
export function hasSystemdUnit(): boolean {
  return existsSync("/run/systemd/system") && existsSync(UNIT_FILE);
}

/** The words that show the unit's log. */
export function journalCommand(lines: number, follow: boolean): readonly [string, ...string[]] {
  return [
    "journalctl",
    "-u",
    UNIT,
    "-n",
    String(lines),
    "-o",
    "cat",
    ...(follow ? ["-f"] : ["--no-pager"]),
  ];
}

function systemdService(): Service {
  const active = spawnSync("systemctl", ["is-active", "--quiet", UNIT]).status === 0;
  return {
    name: `the systemd unit ${UNIT}`,
    isRunning: active,
    // Type=notify: systemctl returns when the agent has said that it is ready.
    start: async () => systemctl("enable", "--now", UNIT),
    stop: async () => systemctl("disable", "--now", UNIT),
  };
}

function systemctl(...words: string[]): void {
  try {
    execFileSync("systemctl", words, { stdio: ["ignore", "ignore", "pipe"] });
  } catch (error) {
    throw new MyceliumError(
      "FORBIDDEN",
      `Cannot run \`systemctl ${words.join(" ")}\`; look at \`systemctl status ${UNIT}\`, or run this as root`,
      { cause: error },
    );
  }
}
