/**
 * Installation as it happens to people: real Debian machines with systemd as process 1, in systemd-nspawn.
 *
 *   bun run test:rootfs [--arch x64|arm64] [--keep]
 *
 * Needs root, systemd-nspawn and debootstrap; says so and ends with 0 where it cannot run. The first run makes the root
 * file system (.cache/rootfs). arm64 on another machine runs under qemu-user and takes fewer steps. Another
 * architecture is tried by `--arch`; the default is this machine's.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Arch, debianRootfs, whyNoRootfs } from "./debian.ts";
import { Machine } from "./machine.ts";
import { machineAddress, makeBridge, removeBridge } from "./network.ts";
import { Releases } from "./releases.ts";
import { ALL_STEPS, FEW_STEPS, type Step, type World } from "./scenario.ts";

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      arch: { type: "string", default: process.arch },
      keep: { type: "boolean", default: false },
    },
  });
  const arch: Arch = values.arch === "arm64" ? "arm64" : "x64";
  const reason = whyNoRootfs(arch);
  if (reason !== null) {
    console.log(`not tested in a real system: ${reason}`);
    return 0;
  }
  const scratch = mkdtempSync(join(tmpdir(), "mycelium-rootfs-"));
  const rootfs = debianRootfs(arch);
  makeBridge();
  const releases = await Releases.open(scratch, arch);
  const machines = ["first", "second"].map(
    (name, i) =>
      new Machine({
        name: `myc-${name}`,
        rootfs,
        scratch,
        address: machineAddress(i),
        release: releases.offlineDirectory,
        isEmulated: arch !== process.arch,
      }),
  );
  const [first, second] = machines as [Machine, Machine];
  try {
    await timed("three releases are made", () => releases.make());
    await timed("two machines start", () =>
      Promise.all(machines.map((machine) => machine.start())),
    );
    return await runSteps(arch === process.arch ? ALL_STEPS : FEW_STEPS, {
      first,
      second,
      releases,
    });
  } finally {
    if (values.keep) await untilKeyPressed(scratch);
    await Promise.all(machines.map((machine) => machine.stop()));
    releases.close();
    removeBridge();
    rmSync(scratch, { recursive: true, force: true });
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
