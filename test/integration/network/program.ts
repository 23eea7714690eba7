/** The core (dist/mycelium-core; `bun run build` makes it) as a person or a script runs it: words in, words and status out. */

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

const REPOSITORY = resolve(import.meta.dir, "../../..");
const END_TIMEOUT_MS = 60_000;

export const EXECUTABLE = join(REPOSITORY, "dist/mycelium-core");

/** Found on the lines of the agents' tests: no other network of this machine is looked for. */
export const QUIET = { MYCELIUM_MDNS: "off", MYCELIUM_GOSSIP: "off" } as const;

export interface Ending {
  readonly status: number | null;
  /** Without white space at its end. */
  readonly out: string;
  readonly error: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input; empty unless given. */
  readonly input?: string;
  /** What the executable's words are prefixed with. */
  readonly under?: readonly string[];
}

export function ensureExecutable(): void {
  if (existsSync(EXECUTABLE)) return;
  const { status } = spawnSync(process.execPath, ["build/build.ts"], {
    cwd: REPOSITORY,
    stdio: "inherit",
  });
  if (status !== 0) throw new Error("Cannot test: dist/mycelium-core could not be built");
}

/** Runs a command to its end, which must come within a minute. */
export async function mycelium(
  words: readonly string[],
  { env = {}, input = "", under = [] }: RunOptions = {},
): Promise<Ending> {
  const child = Bun.spawn([...under, EXECUTABLE, ...words], {
    cwd: "/",
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/nonexistent", ...QUIET, ...env },
    stdin: new TextEncoder().encode(input),
    stdout: "pipe",
    stderr: "pipe",
    timeout: END_TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  const [out, error] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { status: child.exitCode, out: out.trimEnd(), error: error.trimEnd() };
}
