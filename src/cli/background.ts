/** A node that runs in the background without systemd: mycelium.pid and mycelium.log in its state directory. */

import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { errorCodeOf, MyceliumError, messageOf } from "../base/index.ts";
import { LocalClient } from "../client/index.ts";
import { localSocketPath } from "../domain/api/index.ts";
import { runAsOwnerOptions, spawnSelf } from "./self.ts";

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 30_000;
const POLL_INTERVAL_MS = 25;
/** A longer log is put aside at the next start; one older log is kept. */
const LOG_SIZE_MAX = 16 * 1_024 * 1_024;
const LOG_LINES_SHOWN = 5;

const pidPath = (stateDirectory: string) => `${stateDirectory}/mycelium.pid`;
export const logPath = (stateDirectory: string) => `${stateDirectory}/mycelium.log`;

/** Null when the node was not started in the background. */
export function backgroundPid(
  stateDirectory: string,
): { readonly pid: number; readonly isAlive: boolean } | null {
  let text: string;
  try {
    text = readFileSync(pidPath(stateDirectory), "utf8").trim();
  } catch {
    return null;
  }
  const pid = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  return { pid, isAlive: pid > 0 && isOurs(pid, stateDirectory) };
}

/** Resolves with the process id when the agent answers. Throws what its log says when it ends before. */
export async function startInBackground(
  stateDirectory: string,
  settingFlags: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const running = backgroundPid(stateDirectory);
  if (running?.isAlive) return running.pid;
  const log = openLog(stateDirectory);
  const child = spawnSelf(environment, ["run", `--state=${stateDirectory}`, ...settingFlags], {
    ...runAsOwnerOptions(stateDirectory),
    detached: true,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(messageOf(error)));
    child.once("exit", (code, signal) => resolve(`it ended with ${signal ?? `status ${code}`}`));
  });
  if (child.pid !== undefined) writePid(stateDirectory, child.pid);
  const outcome = await Promise.race([ended, untilAnswers(stateDirectory)]);
  if (outcome !== null || child.pid === undefined) {
    rmSync(pidPath(stateDirectory), { force: true });
    throw failedStart(stateDirectory, outcome ?? "it has no process id");
  }
  child.unref();
  return child.pid;
}

/**
 * A node that was started in the background and crashed is started again by its launcher's guardian, while its version
 * is on trial: as another process, which this one may be. Its pid file then names it.
 */
export function takeOverPid(stateDirectory: string): void {
  const before = backgroundPid(stateDirectory);
  if (before !== null && !before.isAlive) writePid(stateDirectory, process.pid);
}

/** Asks the agent to stop and waits for its end. Removes the pid file. */
export async function stopInBackground(stateDirectory: string): Promise<void> {
  const running = backgroundPid(stateDirectory);
  if (running?.isAlive) {
    process.kill(running.pid, "SIGTERM");
    await untilEnded(running.pid, stateDirectory);
  }
  rmSync(pidPath(stateDirectory), { force: true });
}

/** Throws TIMEOUT when the process is still there after 30 s. */
export async function untilEnded(pid: number, stateDirectory: string): Promise<void> {
  const deadline = performance.now() + STOP_TIMEOUT_MS;
  while (isOurs(pid, stateDirectory)) {
    if (performance.now() > deadline) {
      throw new MyceliumError(
        "TIMEOUT",
        `Cannot stop the agent: process ${pid} is still there after ${STOP_TIMEOUT_MS / 1_000} s; ` +
          `look at ${logPath(stateDirectory)}, or end it with \`kill -9 ${pid}\` (nothing is lost)`,
      );
    }
    await Bun.sleep(POLL_INTERVAL_MS);
  }
}

/** Null when it answers; why not, after 30 s. */
async function untilAnswers(stateDirectory: string): Promise<string | null> {
  const client = new LocalClient(localSocketPath(stateDirectory));
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      await client.status();
      return null;
    } catch (error) {
      if (errorCodeOf(error) === undefined) throw error;
      if (performance.now() > deadline) return `it does not answer: ${messageOf(error)}`;
    }
    await Bun.sleep(POLL_INTERVAL_MS);
  }
}

function openLog(stateDirectory: string): number {
  mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
  const path = logPath(stateDirectory);
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_SIZE_MAX) renameSync(path, `${path}.1`);
  return openSync(path, "a", 0o600);
}

function writePid(stateDirectory: string, pid: number): void {
  writeFileSync(pidPath(stateDirectory), `${pid}\n`, { mode: 0o644 });
}

function failedStart(stateDirectory: string, outcome: string): MyceliumError {
  const path = logPath(stateDirectory);
  const tail = readFileSync(path, "utf8").trimEnd().split("\n").slice(-LOG_LINES_SHOWN);
  return new MyceliumError(
    "NOT_RUNNING",
    `Cannot start the agent in the background: ${outcome}. The end of ${path}:\n  ${tail.join("\n  ")}`,
  );
}

/** A process id is used again after a reboot: it is ours only if it runs this state directory. */
function isOurs(pid: number, stateDirectory: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return words.includes("run") && words.includes(`--state=${stateDirectory}`);
  } catch {
    return false;
  }
}
