/** This program as a child process: compiled, or from source under Bun. */

import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The words before a command's own arguments. The launcher that started us says where it is: only through it does
 * a child get the core that its state directory is at.
 */
function selfCommand(environment: Environment): readonly [string, ...string[]] {
  const launcher = environment["MYCELIUM_LAUNCHER"];
  if (launcher) return [launcher];
  const compiled = import.meta.url.includes("/$bunfs/");
  if (compiled) return [process.execPath];
  return [process.execPath, fileURLToPath(new URL("../main.ts", import.meta.url))];
}

export function spawnSelf(
  environment: Environment,
  args: readonly string[],
  options: SpawnOptions,
): ChildProcess {
  const [executable, ...prefix] = selfCommand(environment);
  return spawn(executable, [...prefix, ...args], options);
}

/** What makes a child of root run as the state directory's owner; nothing when it is root's or we are not root. */
export function runAsOwnerOptions(
  stateDirectory: string,
): { uid: number; gid: number; cwd: string } | Record<string, never> {
  if (process.getuid?.() !== 0) return {};
  // What is wrong with a path that cannot be looked at is said by whoever opens it.
  if (!existsSync(stateDirectory)) return {};
  const owner = statSync(stateDirectory);
  if (owner.uid === 0) return {};
  return { uid: owner.uid, gid: owner.gid, cwd: "/" };
}

/**
 * Root acts on another user's node as that user, so that no file in it becomes root's. Runs this command again as
 * the state directory's owner and resolves with its exit status; null when there is no need.
 */
export async function runAsOwner(
  stateDirectory: string,
  args: readonly string[],
  environment: Environment,
): Promise<number | null> {
  const options = runAsOwnerOptions(stateDirectory);
  if (!("uid" in options)) return null;
  // Its working directory is another: a relative path would name another place there.
  const rest = args.filter((word, i) => !isState(word) && args[i - 1] !== "--state");
  const child = spawnSelf(environment, [...rest, `--state=${stateDirectory}`], {
    ...options,
    stdio: "inherit",
  });
  const forward = (signal: NodeJS.Signals) => () => child.kill(signal);
  const onTerminate = forward("SIGTERM");
  process.on("SIGTERM", onTerminate);
  try {
    return await exitStatus(child);
  } finally {
    process.off("SIGTERM", onTerminate);
  }
}

function isState(word: string): boolean {
  return word === "--state" || word.startsWith("--state=");
}

/** The exit status, or 128 and the signal's number as a shell says it; rejects when it cannot start. */
export function exitStatus(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(code ?? (signal === "SIGKILL" ? 137 : 143)));
  });
}
