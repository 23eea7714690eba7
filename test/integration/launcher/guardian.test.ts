/** The guardian of a trial: a core that hangs, crashes, ends as asked, is confirmed. */

import { afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  BUILD_TIMEOUT_MS,
  coreSha256,
  type FakeCore,
  hostLauncher,
  LauncherLab,
} from "./launcher-lab.ts";
import { until } from "./until.ts";

const TEST_TIMEOUT_MS = 60_000;
/** Says in the file "started" that it runs, then waits to be ended. */
const SERVES = 'echo "$$ $0" >>"$MYCELIUM_STATE/started"; exec sleep 300';
const OLD: FakeCore = { version: "1.0.0", body: SERVES };
const HANGS: FakeCore = { version: "2.0.0", body: SERVES };
const CRASHES: FakeCore = {
  version: "2.0.0",
  body: 'echo "$$ $0" >>"$MYCELIUM_STATE/started"; exit 3',
};
const UNSUPERVISED = { INVOCATION_ID: "" };
let launcher: string;
let lab: LauncherLab;
let children: Bun.Subprocess[];

beforeAll(async () => {
  launcher = await hostLauncher();
}, BUILD_TIMEOUT_MS);
beforeEach(() => {
  lab = new LauncherLab(launcher);
  children = [];
});
afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  for (const { pid } of started()) killIfOurs(pid);
  await until("the guardians end", () => guardians().length === 0);
  lab.remove();
});

/** Starts of cores that serve, in order. */
function started(): { pid: number; core: string }[] {
  const file = join(lab.state, "started");
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  return lines.map((line) => {
    const [pid = "", path = ""] = line.split(" ");
    return { pid: Number(pid), core: path.slice(path.lastIndexOf("/") + 1) };
  });
}

function killIfOurs(pid: number): void {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
    if (environment.includes(lab.state)) process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

/** Processes that still are the launcher itself. */
function guardians(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/exe`) === lab.program;
      } catch {
        return false;
      }
    });
}

function withoutSupervisor(): Record<string, string> {
  const { INVOCATION_ID: _, ...environment } = lab.environment;
  return environment;
}

function start(env: Record<string, string>): Bun.Subprocess {
  const isSupervised = env["INVOCATION_ID"] === undefined;
  const environment = { ...(isSupervised ? lab.environment : withoutSupervisor()), ...env };
  if (!isSupervised) delete environment["INVOCATION_ID"];
  const child = Bun.spawn([lab.program, "run"], {
    cwd: lab.directory,
    env: environment,
    stdin: "ignore",
    stdout: "ignore",
    stderr: Bun.file(lab.log),
  });
  children.push(child);
  return child;
}

/** OLD has run and is confirmed; `core` is installed and started on trial. */
async function startTrial(
  core: FakeCore,
  env: Record<string, string> = {},
): Promise<Bun.Subprocess> {
  lab.ship(OLD);
  const old = start({});
  await until("the first core runs", () => started().length === 1);
  old.kill("SIGKILL");
  await old.exited;
  lab.ship(core);
  const child = start(env);
  await until("the trial runs", () => started().length === 2);
  return child;
}

test(
  "a core that is not confirmed in time is taken back and ended, and the other one started",
  async () => {
    const child = await startTrial(HANGS, { ...UNSUPERVISED, MYCELIUM_CONFIRM_TIMEOUT: "1" });
    await child.exited;
    expect(child.signalCode).toBe("SIGKILL");
    await until("the other core runs", () => started().length === 3);
    expect(started().at(-1)?.core).toBe(`core-${coreSha256(OLD)}`);
    expect(lab.record).toMatchObject({
      state: "confirmed",
      active: { version: "1.0.0" },
      refused: coreSha256(HANGS),
      reason: "it was not confirmed healthy within 1 s",
    });
  },
  TEST_TIMEOUT_MS,
);

test(
  "a core that is confirmed loses its guardian and goes on",
  async () => {
    const child = await startTrial(HANGS, { MYCELIUM_CONFIRM_TIMEOUT: "20" });
    await until("the guardian watches", () => guardians().length === 1);
    lab.change({ state: "confirmed", boots: 0, trialSinceMs: 0 });
    await until("the guardian ends", () => guardians().length === 0);
    expect(child.exitCode).toBeNull();
    expect(child.signalCode).toBeNull();
  },
  TEST_TIMEOUT_MS,
);

test(
  "without a supervisor a core that crashes is started again, counted, and taken back",
  async () => {
    await startTrial(CRASHES, UNSUPERVISED);
    await until("the other core runs", () => started().length === 5);
    expect(started().map(({ core }) => core)).toEqual(
      [OLD, CRASHES, CRASHES, CRASHES, OLD].map((core) => `core-${coreSha256(core)}`),
    );
    expect(lab.record).toMatchObject({ state: "confirmed", refused: coreSha256(CRASHES) });
  },
  TEST_TIMEOUT_MS,
);

test(
  "a core that takes itself back and falls on the way is followed by the other",
  async () => {
    const child = await startTrial(HANGS, UNSUPERVISED);
    await until("the guardian watches", () => guardians().length === 1);
    const { active, standby } = lab.record;
    const back = { state: "confirmed", boots: 0, trialSinceMs: 0 } as const;
    lab.change({ ...back, active: standby ?? active, standby: active, refused: active.sha256 });
    child.kill("SIGSEGV");
    await until("the other core runs", () => started().length === 3);
    expect(started().at(-1)?.core).toBe(`core-${coreSha256(OLD)}`);
  },
  TEST_TIMEOUT_MS,
);

test(
  "a core that falls while it becomes another is followed by that one; one that ends as asked is not",
  async () => {
    lab.ship(OLD);
    const seeOff = (pid: number) =>
      Bun.spawnSync([lab.program, "--launcher-see-off", String(pid), lab.program, "run"], {
        env: withoutSupervisor(),
        stderr: Bun.file(lab.log),
      }).exitCode;
    const first = start(UNSUPERVISED);
    await until("it runs", () => started().length === 1);
    expect(seeOff(first.pid)).toBe(0);
    first.kill("SIGSEGV");
    await until("it runs again", () => started().length === 2);
    const second = started().at(-1)?.pid ?? 0;
    expect(seeOff(second)).toBe(0);
    process.kill(second, "SIGTERM");
    await until("nobody watches", () => guardians().length === 0);
    expect(started()).toHaveLength(2);
    expect(seeOff(0)).toBe(2);
  },
  TEST_TIMEOUT_MS,
);

test(
  "under a supervisor it starts nothing",
  async () => {
    const child = await startTrial(CRASHES);
    expect(await child.exited).toBe(3);
    await until("the guardian ends", () => guardians().length === 0);
    expect(started()).toHaveLength(2);
    expect(lab.record).toMatchObject({ state: "trial", boots: 1 });
  },
  TEST_TIMEOUT_MS,
);

test(
  "a core that ends as asked stays ended: by status 0, by a signal, by what it wrote",
  async () => {
    const first =
      '[ -e "$MYCELIUM_STATE/goes-on" ] || { echo "$$ $0" >>"$MYCELIUM_STATE/started"; exit 0; }';
    const ends = { ...HANGS, body: `${first}\n${SERVES}` };
    const child = await startTrial(ends, UNSUPERVISED);
    expect(await child.exited).toBe(0);
    await until("the guardian ends", () => guardians().length === 0);
    expect(started()).toHaveLength(2);
    writeFileSync(join(lab.state, "goes-on"), "");
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const before = started().length;
      lab.change({ boots: 0 });
      const again = start(UNSUPERVISED);
      await until("it runs again", () => started().length > before);
      again.kill(signal);
      await again.exited;
      await until("the guardian ends", () => guardians().length === 0);
      expect(started()).toHaveLength(before + 1);
    }
    // What a core writes that ends its run as asked: no start is held against it.
    lab.change({ boots: 0 });
    const last = start(UNSUPERVISED);
    await until("it runs again", () => started().length === 5);
    lab.change({ boots: 0 });
    last.kill("SIGKILL");
    await until("the guardian ends", () => guardians().length === 0);
    expect(started()).toHaveLength(5);
  },
  TEST_TIMEOUT_MS,
);

test(
  "the guardian holds the standard error only, has no terminal, and is small",
  async () => {
    await startTrial(HANGS);
    await until("the guardian watches", () => guardians().length === 1);
    const [pid = 0] = guardians();
    await until("it has let go of all files", () => readdirSync(`/proc/${pid}/fd`).length <= 6);
    const files = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    const own = ["/dev/null", lab.log, "anon_inode:[pidfd]", join(lab.state, "slots")];
    expect(files.filter((file) => !own.includes(file) && file !== lab.slot("record"))).toEqual([]);
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    // A session of its own, no terminal, nobody's child here.
    expect(stat[4]).toBe("0");
    expect(stat[1]).not.toBe(String(process.pid));
    const rss = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    expect(Number(rss?.[1])).toBeLessThan(1_000);
  },
  TEST_TIMEOUT_MS,
);
