/**
 * Installation as it happens to people: real Debian machines with systemd as process 1, in systemd-nspawn.
 *
 *   bun run test:rootfs [--arch x64|arm64] [--suite bookworm,trixie,bullseye] [--only life|rollout|user] [--keep]
 *                      [--required]
 *
 * Needs root, systemd-nspawn and debootstrap; where it cannot run it says so and ends with 0, or 1 with `--required`. The
 * first run makes the root file system (.cache/rootfs). arm64 on another machine runs under qemu-user and takes fewer
 * steps. Another architecture is tried by `--arch`; the default is this machine's. `--suite` names releases of Debian, one
 * or several; for one with an older C library than is here, CC names a compiler for that (zig cc -target
 * x86_64-linux-gnu.2.17), because the releases of this trial are made by the compiler that is here.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Arch, debianRootfs, whyNoRootfs } from "./debian.ts";
import { LIFE } from "./life.ts";
import { Machine, type MachineOptions } from "./machine.ts";
import { machineAddress, makeBridge, removeBridge } from "./network.ts";
import { Releases } from "./releases.ts";
import { ROLLOUT } from "./rollout.ts";
import type { Scenario, Step, World } from "./scenario.ts";
import { OF_A_USER } from "./user.ts";

const SCENARIOS: readonly Scenario[] = [LIFE, ROLLOUT, OF_A_USER];

interface Place {
  readonly arch: Arch;
  readonly suites: readonly string[];
  readonly keep: boolean;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      arch: { type: "string", default: process.arch },
      suite: { type: "string", default: "bookworm" },
      only: { type: "string" },
      keep: { type: "boolean", default: false },
      required: { type: "boolean", default: false },
    },
  });
  const arch: Arch = values.arch === "arm64" ? "arm64" : "x64";
  const reason = whyNoRootfs(arch);
  if (reason !== null) {
    console.log(`not tested in a real system: ${reason}`);
    return values.required ? 1 : 0;
  }
  const place = { arch, suites: values.suite.split(","), keep: values.keep };
  const chosen = SCENARIOS.filter(({ name }) => name === (values.only ?? name));
  if (chosen.length === 0) {
    const names = SCENARIOS.map(({ name }) => name).join(", ");
    throw new Error(`--only: found "${values.only}", needed one of ${names}`);
  }
  let status = 0;
  for (const scenario of chosen) status = Math.max(status, await tryScenario(scenario, place));
  return status;
}

/** The same releases on each Debian, one after the other. */
async function tryScenario(scenario: Scenario, { arch, suites, keep }: Place): Promise<number> {
  const steps = arch === process.arch ? scenario.steps : scenario.fewSteps;
  if (steps.length === 0) return 0;
  const scratch = mkdtempSync(join(tmpdir(), "mycelium-rootfs-"));
  makeBridge();
  const releases = await Releases.open(scratch, arch);
  try {
    await timed(`releases for ${scenario.name} are made`, () => scenario.makeReleases(releases));
    let status = 0;
    for (const suite of suites) {
      console.log(`${scenario.name} on ${suite}:`);
      releases.serve(scenario.firstVersion);
      const options = {
        rootfs: debianRootfs(arch, suite),
        scratch,
        release: releases.directory(scenario.offlineVersion),
        isEmulated: arch !== process.arch,
      };
      const failed = await withMachines(options, keep, (first, second) =>
        runSteps(steps, { first, second, releases }),
      );
      status = Math.max(status, failed);
    }
    return status;
  } finally {
    releases.close();
    removeBridge();
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function withMachines(
  options: Omit<MachineOptions, "name" | "address">,
  keep: boolean,
  use: (first: Machine, second: Machine) => Promise<number>,
): Promise<number> {
  const [first, second] = ["first", "second"].map(
    (name, i) => new Machine({ ...options, name: `myc-${name}`, address: machineAddress(i) }),
  ) as [Machine, Machine];
  try {
    await timed("two machines start", () => Promise.all([first.start(), second.start()]));
    return await use(first, second);
  } finally {
    if (keep) await untilKeyPressed(options.scratch);
    await Promise.all([first.stop(), second.stop()]);
  }
}

/** A step stands on those before it: the first that fails is the last. */
async function runSteps(steps: readonly Step[], world: World): Promise<number> {
  for (const [i, step] of steps.entries()) {
    try {
      await timed(step.name, () => step.run(world));
    } catch (error) {
      console.log(`FAIL  ${step.name}`);
      console.log(error instanceof Error ? error.message : String(error));
      for (const machine of [world.first, world.second]) console.log(machine.journal());
      console.log(`${i} passed, 1 failed, ${steps.length - i - 1} not tried`);
      return 1;
    }
  }
  console.log(`${steps.length} passed, 0 failed`);
  return 0;
}

async function timed(name: string, work: () => unknown): Promise<void> {
  const startMs = performance.now();
  await work();
  console.log(`ok    ${name}  ${((performance.now() - startMs) / 1_000).toFixed(1)} s`);
}

async function untilKeyPressed(scratch: string): Promise<void> {
  console.log(`kept: ${scratch}; look into a machine with nsenter; Enter ends it`);
  for await (const _ of console) break;
}

process.exitCode = await main();
process.exit();
