/** Child processes of benches: free ports, fresh directories, waiting for an endpoint, figures from /proc. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const READY_TIMEOUT_MS = 30_000;
const POLL_MS = 5;

/** A directory of its own in the system's temporary one, removed when this process ends. */
export function freshDirectory(name: string): string {
  const path = mkdtempSync(join(tmpdir(), `mycelium-perf-${name}-`));
  process.once("exit", () => rmSync(path, { recursive: true, force: true }));
  return path;
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer();
          server.listen(0, "127.0.0.1", () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Starts a child whose output goes to `logFile`. */
export function start(
  command: readonly string[],
  logFile: string,
  environment: Readonly<Record<string, string>> = {},
): ChildProcess {
  const log = openSync(logFile, "a");
  const [executable, ...args] = command;
  if (executable === undefined) throw new Error("no command");
  const env = { ...process.env, ...environment };
  return spawn(executable, args, { stdio: ["ignore", log, log], env });
}

/** Runs to the end and returns standard output. Throws on a failure, with standard error. */
export async function output(command: readonly string[]): Promise<string> {
  const child = Bun.spawn([...command], { stdout: "pipe", stderr: "pipe" });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`${command.join(" ")} failed (${code}): ${err || out}`);
  return out;
}

export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => child.once("exit", resolve));
}

export async function terminate(child: ChildProcess): Promise<void> {
  child.kill("SIGTERM");
  await ended(child);
}

/** Polls until `ready` resolves to a value. Throws when it takes longer than `timeoutMs`. */
export async function until<T>(
  what: string,
  ready: () => Promise<T | null>,
  timeoutMs = READY_TIMEOUT_MS,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown = null;
  while (performance.now() < deadline) {
    try {
      const value = await ready();
      if (value !== null) return value;
    } catch (error) {
      last = error;
    }
    await Bun.sleep(POLL_MS);
  }
  throw new Error(`${what} did not happen within ${timeoutMs / 1_000} s: ${String(last)}`);
}

/** Resident bytes of a process. */
export function residentBytes(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(match?.[1] ?? 0) * 1_024;
}

/** CPU time a process has used, in milliseconds (clock ticks of 10 ms). */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** How often all threads of a process have gone from waiting to running. */
export function wakeups(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => {
    const status = readIfThere(`/proc/${pid}/task/${thread}/status`);
    return sum + Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  }, 0);
}

/** A thread may end meanwhile. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
