/** What `mycelium run` does with the slots: the rules of native/DESIGN.md, one by one. */

import { Database } from "bun:sqlite";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import {
  BUILD_TIMEOUT_MS,
  coreSha256,
  type FakeCore,
  hostLauncher,
  LauncherLab,
} from "./launcher-lab.ts";

const OLD: FakeCore = { version: "1.0.0" };
const NEW: FakeCore = { version: "2.0.0" };
const NEWER: FakeCore = { version: "3.0.0" };
let launcher: string;
let lab: LauncherLab;

beforeAll(async () => {
  launcher = await hostLauncher();
}, BUILD_TIMEOUT_MS);
beforeEach(() => {
  lab = new LauncherLab(launcher);
  lab.ship(OLD);
});
afterEach(() => lab.remove());

/** OLD confirmed, then NEW installed and on trial after its first start. */
async function onTrial(): Promise<void> {
  await lab.run();
  lab.ship(NEW);
  await lab.run();
}

const ran = (core: FakeCore) => `core ${core.version} core-${coreSha256(core)} run`;

describe("a first start", () => {
  test("unpacks the payload into its slot and runs it", async () => {
    expect(await lab.run()).toEqual({ status: 0, out: ran(OLD), error: "" });
    expect(lab.record).toMatchObject({
      active: { sha256: coreSha256(OLD), version: "1.0.0", stateFormat: 1 },
      standby: null,
      state: "confirmed",
      boots: 0,
      payload: coreSha256(OLD),
      refused: null,
    });
    expect(statSync(lab.core(OLD)).mode & 0o777).toBe(0o755);
    expect(statSync(lab.slot("")).mode & 0o777).toBe(0o700);
  });

  test("makes the state directory, where a new node is about to be", async () => {
    rmSync(lab.state, { recursive: true });
    expect((await lab.run()).out).toBe(ran(OLD));
    expect(statSync(lab.state).mode & 0o777).toBe(0o700);
    expect(lab.record.state).toBe("confirmed");
  });

  test("the second one writes nothing", async () => {
    await lab.run();
    const before = statSync(lab.slot("record"), { bigint: true });
    await lab.run();
    const after = statSync(lab.slot("record"), { bigint: true });
    expect([after.ino, after.mtimeNs]).toEqual([before.ino, before.mtimeNs]);
  });

  test("what a killed launcher left of an unpacking goes", async () => {
    await lab.run();
    writeFileSync(lab.slot("unpacked.new"), "half a core");
    writeFileSync(lab.slot(`core-${"0".repeat(64)}`), "in no record");
    await lab.run();
    expect(existsSync(lab.slot("unpacked.new"))).toBe(false);
    expect(lab.cores).toEqual([`core-${coreSha256(OLD)}`]);
  });
});

describe("another release is installed", () => {
  test("it runs on trial, the one before is kept", async () => {
    await lab.run();
    lab.ship(NEW);
    const { out, error } = await lab.run();
    expect(out).toBe(ran(NEW));
    expect(error).toContain("Version 2.0.0 was installed: it runs on trial");
    expect(lab.record).toMatchObject({
      active: { version: "2.0.0" },
      standby: { version: "1.0.0" },
      state: "trial",
      boots: 1,
      payload: coreSha256(NEW),
    });
    expect(lab.record.trialSinceMs).toBeGreaterThan(0);
  });

  test("the third start is counted, the fourth takes it back for good and says why", async () => {
    await onTrial();
    expect((await lab.run()).out).toBe(ran(NEW));
    expect((await lab.run()).out).toBe(ran(NEW));
    expect(lab.record.boots).toBe(3);
    const { out, error } = await lab.run();
    expect(out).toBe(ran(OLD));
    expect(error).toContain("Version 2.0.0 is taken back");
    expect(lab.record).toMatchObject({
      active: { version: "1.0.0" },
      standby: { version: "2.0.0" },
      state: "confirmed",
      refused: coreSha256(NEW),
      reason: "it was started 3 times and never confirmed healthy",
    });
    expect(await lab.run()).toEqual({ status: 0, out: ran(OLD), error: "" });
  });

  test("at most two cores stay; what is on trial is no way back", async () => {
    await onTrial();
    lab.ship(NEWER);
    expect((await lab.run()).out).toBe(ran(NEWER));
    expect(lab.record).toMatchObject({
      active: { version: "3.0.0" },
      standby: { version: "1.0.0" },
    });
    expect(lab.cores).toHaveLength(2);
  });

  test("the one that runs already is only noted", async () => {
    await onTrial();
    lab.change({ state: "confirmed", boots: 0, payload: coreSha256(OLD) });
    expect(await lab.run()).toEqual({ status: 0, out: ran(NEW), error: "" });
    expect(lab.record).toMatchObject({ payload: coreSha256(NEW), state: "confirmed" });
  });

  test("the one before, installed again, runs on trial out of its slot", async () => {
    await onTrial();
    lab.change({ state: "confirmed", boots: 0 });
    const { ino } = statSync(lab.core(OLD));
    lab.ship(OLD);
    expect((await lab.run()).out).toBe(ran(OLD));
    expect(statSync(lab.core(OLD)).ino).toBe(ino);
    expect(lab.record).toMatchObject({ state: "trial", boots: 1, standby: { version: "2.0.0" } });
  });

  test("the one before, installed again during a trial, ends that trial", async () => {
    await onTrial();
    lab.ship(OLD);
    expect((await lab.run()).out).toBe(ran(OLD));
    expect(lab.record).toMatchObject({ state: "confirmed", refused: coreSha256(NEW) });
  });

  test("one of a state format that was left for good is refused, what runs goes on", async () => {
    lab.ship({ ...OLD, stateFormat: 2 });
    await lab.run();
    lab.change({ floor: 2 });
    lab.ship(NEW);
    const { out, error } = await lab.run();
    expect(out).toBe(ran(OLD));
    expect(error).toContain("is refused: its state format 1 is below 2");
    expect(lab.record).toMatchObject({ refused: coreSha256(NEW), payload: coreSha256(NEW) });
    expect((await lab.run()).error).toBe("");
  });

  test("one that cannot be executed is taken back at once", async () => {
    await lab.run();
    const foreign = Buffer.from("\x7fELF, but not really");
    lab.shipBytes(foreign, NEW);
    const { status, out, error } = await lab.run();
    expect({ status, out }).toEqual({ status: 0, out: ran(OLD) });
    expect(error).toContain("it is no executable for this machine");
    expect(lab.record).toMatchObject({ active: { version: "1.0.0" }, state: "confirmed" });
    expect(lab.record.reason).toContain("cannot be executed");
  });
});

describe("a trial", () => {
  test("whose way back is gone stays, and that is said", async () => {
    await onTrial();
    rmSync(lab.core(OLD));
    lab.change({ boots: 3 });
    const { out, error } = await lab.run();
    expect(out).toBe(ran(NEW));
    expect(error).toContain("stays, because there is none to go back to");
  });

  test("that is damaged is taken back", async () => {
    await onTrial();
    appendFileSync(lab.core(NEW), "# changed");
    expect((await lab.run()).out).toBe(ran(OLD));
    expect(lab.record).toMatchObject({ refused: coreSha256(NEW), reason: "its file was damaged" });
  });

  test("that was ended as asked starts to count again", async () => {
    await onTrial();
    await lab.run();
    lab.change({ boots: 0 });
    await lab.run();
    expect(lab.record.boots).toBe(1);
  });
});

describe("damage", () => {
  test("a core that is the payload's is unpacked again", async () => {
    await lab.run();
    truncateSync(lab.core(OLD), 5);
    const { out, error } = await lab.run();
    expect(out).toBe(ran(OLD));
    expect(error).toContain("Version 1.0.0 in");
    expect(await lab.run()).toEqual({ status: 0, out: ran(OLD), error: "" });
  });

  test("a core that the shipped file has not gives way to the other slot", async () => {
    await onTrial();
    lab.change({ state: "confirmed", boots: 0, payload: coreSha256(OLD) });
    lab.ship(OLD);
    await lab.run();
    rmSync(lab.core(NEW));
    expect((await lab.run()).out).toBe(ran(OLD));
    expect(lab.record).toMatchObject({ active: { version: "1.0.0" }, standby: null });
  });

  test("with both slots damaged the payload is unpacked", async () => {
    await onTrial();
    lab.change({ state: "confirmed", boots: 0 });
    lab.ship(NEWER);
    truncateSync(lab.core(OLD), 1);
    truncateSync(lab.core(NEW), 1);
    lab.change({ payload: coreSha256(NEWER) });
    expect((await lab.run()).out).toBe(ran(NEWER));
  });

  test("a core that only was touched is verified, not replaced", async () => {
    await lab.run();
    const text = readFileSync(lab.core(OLD));
    writeFileSync(lab.core(OLD), text);
    expect(await lab.run()).toEqual({ status: 0, out: ran(OLD), error: "" });
    expect(lab.record.checkedActive.mtimeNs).toBe(
      statSync(lab.core(OLD), { bigint: true }).mtimeNs,
    );
  });

  test("with nothing whole that may run it ends with 78 and the reason", async () => {
    await lab.run();
    lab.change({ floor: 2 });
    rmSync(lab.core(OLD));
    const { status, error } = await lab.run();
    expect(status).toBe(78);
    expect(error).toContain("its state format 1 is below 2");
  });

  test("of the record: that of the last start is taken", async () => {
    await onTrial();
    lab.change({ state: "confirmed", boots: 0, floor: 1 });
    await lab.run();
    for (const damage of [
      "",
      "mycelium-slots 1\n",
      readFileSync(lab.slot("record"), "utf8").replace("floor 1", "floor 0"),
    ]) {
      writeFileSync(lab.slot("record"), damage);
      const { out, error } = await lab.run();
      expect(out).toBe(ran(NEW));
      expect(error).toContain("is damaged or gone");
      expect(lab.record).toMatchObject({
        floor: 1,
        standby: { version: "1.0.0" },
        state: "confirmed",
      });
    }
  });

  test("of the record and its copy: the payload's core runs, else any whole one", async () => {
    await onTrial();
    for (const name of ["record", "record.old"])
      writeFileSync(lab.slot(name), "mycelium-slots 1\nnonsense\n");
    expect((await lab.run()).out).toBe(ran(NEW));
    expect(lab.record).toMatchObject({
      active: { version: "2.0.0" },
      standby: null,
      state: "confirmed",
    });
  });

  test("lines that nobody knows are kept", async () => {
    await lab.run();
    lab.change({ unknown: ["colour blue", "empty"] });
    lab.ship(NEW);
    await lab.run();
    expect(lab.record.unknown).toEqual(["colour blue", "empty"]);
  });
});

describe("what is no boot", () => {
  test("makes no slots: other commands, help, the parent of a background node", async () => {
    for (const words of [["status"], ["run", "--help"], ["run", "--background"], ["init"]]) {
      expect((await lab.run(words)).out).toBe(
        `core 1.0.0 core-${coreSha256(OLD)} ${words.join(" ")}`,
      );
    }
    expect(existsSync(lab.slot(""))).toBe(false);
  });

  test("is no start of a node that runs: the core refuses it, nothing is counted", async () => {
    await onTrial();
    const lock = new Database(join(lab.state, "lock"), { create: true });
    // As the core takes it (src/adapters/state).
    lock.run("PRAGMA locking_mode = EXCLUSIVE");
    lock.run("BEGIN EXCLUSIVE");
    const held = await lab.run();
    lock.close();
    expect(held).toEqual({ status: 0, out: ran(NEW), error: "" });
    expect(lab.record.boots).toBe(1);
    await lab.run();
    expect(lab.record.boots).toBe(2);
  });

  test("counts no start and runs the node's active core", async () => {
    await onTrial();
    lab.ship(NEWER);
    expect((await lab.run(["status"])).out).toBe(`core 2.0.0 core-${coreSha256(NEW)} status`);
    expect(lab.record).toMatchObject({ boots: 1, payload: coreSha256(NEW) });
  });

  test("unpacks once for each release, and the first boot takes it from there", async () => {
    await lab.run(["init"]);
    const cached = join(lab.cache, "mycelium", `core-${coreSha256(OLD)}`);
    const { ino } = statSync(cached);
    await lab.run(["init"]);
    expect(statSync(cached).ino).toBe(ino);
    await lab.run();
    expect(statSync(lab.core(OLD)).ino).toBe(ino);
    rmSync(lab.slot(""), { recursive: true });
    lab.ship(NEW);
    await lab.run(["init"]);
    expect(existsSync(cached)).toBe(false);
  });

  test("a cached core that was cut off is unpacked again", async () => {
    await lab.run(["init"]);
    truncateSync(join(lab.cache, "mycelium", `core-${coreSha256(OLD)}`), 3);
    expect((await lab.run(["init"])).status).toBe(0);
  });

  const asRoot = process.getuid?.() === 0 ? test : test.skip;
  if (process.getuid?.() !== 0)
    console.log("not tested here: slots of another user (this is not root)");
  asRoot("root runs nothing out of another user's directory", async () => {
    await onTrial();
    chownSync(lab.state, 65534, 65534);
    chownSync(lab.slot(""), 65534, 65534);
    expect((await lab.run(["status"])).out).toBe(`core 2.0.0 core-${coreSha256(NEW)} status`);
    lab.ship(NEWER);
    expect((await lab.run(["status"])).out).toStartWith("core 3.0.0 ");
    expect((await lab.run()).out).toStartWith("core 3.0.0 ");
    expect(lab.record).toMatchObject({ boots: 1, active: { version: "2.0.0" } });
  });

  describe("of root, about another user's node", () => {
    const shown = (core: FakeCore) => `core ${core.version} core-${coreSha256(core)} status`;

    /** NEW was installed in the place of OLD, and taken back. */
    async function takenBack(): Promise<void> {
      await lab.run();
      copyFileSync(lab.program, `${lab.program}.previous`);
      lab.ship(NEW);
      await lab.run();
      lab.change({ boots: 3 });
      expect((await lab.run()).out).toBe(ran(OLD));
      for (const path of [lab.state, lab.slot("")]) chownSync(path, 65534, 65534);
    }

    asRoot("run the file before the one that was taken back", async () => {
      await takenBack();
      expect(await lab.run(["status"])).toEqual({ status: 0, out: shown(OLD), error: "" });
      lab.ship(NEWER);
      expect((await lab.run(["status"])).out).toBe(shown(NEWER));
    });

    asRoot("run what is there, unless only root can have put the other", async () => {
      await takenBack();
      chmodSync(`${lab.program}.previous`, 0o775);
      expect((await lab.run(["status"])).out).toBe(shown(NEW));
      rmSync(`${lab.program}.previous`);
      expect((await lab.run(["status"])).out).toBe(shown(NEW));
    });

    asRoot("wait for no pipe in the place of the record", async () => {
      await takenBack();
      rmSync(lab.slot("record"));
      spawnSync("mkfifo", [lab.slot("record")]);
      expect((await lab.run(["status"])).out).toBe(shown(NEW));
    });
  });

  asRoot("root unpacks nothing where another user could put something else", async () => {
    const theirs = join(lab.directory, "theirs");
    mkdirSync(theirs);
    chownSync(theirs, 65534, 65534);
    const core = `core-${coreSha256(OLD)}`;
    expect((await lab.run(["init"], { XDG_CACHE_HOME: theirs })).status).toBe(0);
    expect(existsSync(join(theirs, "mycelium"))).toBe(false);
    rmSync(join("/var/cache/mycelium", core));
  });
});

describe("the core", () => {
  test("gets words, environment and process id untouched, but for BUN_* and what its runtime needs", async () => {
    lab.ship({ ...OLD, body: 'echo "$$"; env; exit 7' });
    const child = Bun.spawn([lab.program, "run", "--", "a b", ""], {
      env: {
        ...lab.environment,
        BUN_OPTIONS: "--preload=x",
        BUNCH: "kept",
        MIMALLOC_PURGE_DELAY: "7",
        MYCELIUM_LAUNCHER: "/elsewhere",
      },
      stdout: "pipe",
      stderr: Bun.file(lab.log),
    });
    const lines = (await new Response(child.stdout).text()).split("\n");
    expect(await child.exited).toBe(7);
    expect(lines[0]).toEndWith(" run -- a b ");
    expect(lines[1]).toBe(String(child.pid));
    expect(lines).toContain("BUNCH=kept");
    expect(lines).toContain(`MYCELIUM_LAUNCHER=${lab.program}`);
    expect(lines).not.toContain("MYCELIUM_LAUNCHER=/elsewhere");
    expect(lines.filter((line) => line.startsWith("BUN_")).sort()).toEqual([
      ...["BUN_JSC_smallHeapGrowthFactor=4", "BUN_JSC_useFTLJIT=0"],
    ]);
    expect(lines).toContain("MIMALLOC_PURGE_DELAY=7");
    expect(lines).not.toContain("MIMALLOC_PURGE_DELAY=500");
    expect(lines).toContain("MIMALLOC_PURGE_HOLES_MIN_INTERVAL=5000");
  });

  test("has no file of the launcher's open", async () => {
    lab.ship({ ...OLD, body: "ls /proc/$$/fd" });
    await lab.run();
    lab.ship({ ...NEW, body: "ls /proc/$$/fd" });
    const { out } = await lab.run();
    // 10 is the shell's own: the script it reads.
    expect(out.split("\n").slice(1)).toEqual(["0", "1", "10", "2"]);
  });

  test("is found in a state directory that is named relatively, by word, by equals sign, by environment", async () => {
    const nowhere = { MYCELIUM_STATE: "/nonexistent" };
    for (const [words, env] of [
      [["run", "--state", "state"], nowhere],
      [["run", "--state=./state"], nowhere],
      [["run"], { MYCELIUM_STATE: "state" }],
    ] as const) {
      rmSync(lab.slot(""), { recursive: true, force: true });
      await lab.run(words, env);
      expect(lab.record.state).toBe("confirmed");
    }
    rmSync(lab.slot(""), { recursive: true });
    await lab.run(["run", "--", "--state=state"], nowhere);
    expect(existsSync(lab.slot(""))).toBe(false);
  });
});
