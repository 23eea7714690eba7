/** One phase of a chaos run: a fresh network on the disks its faults need, those faults, a verdict, nothing left. */

import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cluster } from "../cluster/cluster.ts";
import {
  loopbackNetwork,
  namespaceNetwork,
  namespaceProblem,
  type TestNetwork,
} from "../cluster/test-network.ts";
import { leaveBehind } from "./behind-fault.ts";
import { ChaosRun, type PlannedFault } from "./chaos-run.ts";
import { damage } from "./damage-faults.ts";
import { fullDiskOfAll, fullDiskOfOne } from "./disk-faults.ts";
import { partition } from "./partition-faults.ts";
import { PowerDisk, powerDiskProblem } from "./power-disk.ts";
import { powerCutOfAll, powerCutOfOne } from "./power-faults.ts";
import { killAll, killMost, killOne, pauseOne } from "./process-faults.ts";
import { slowTurn } from "./slow-disk.ts";
import { SmallDisks, smallDisksProblem } from "./small-disks.ts";

/** How often each is made. */
export interface FaultCounts {
  readonly kills?: number;
  readonly pauses?: number;
  readonly partitions?: number;
  readonly flips?: number;
  readonly behind?: number;
  /** Of all nodes, and as many of one. */
  readonly powerCuts?: number;
  readonly fullDisks?: number;
  /** Turns of `SLOW_TURN_MS` on disks whose syncs take as long as an SD card's. */
  readonly slowTurns?: number;
}

export interface PhaseOptions {
  readonly name: string;
  readonly executable: string;
  readonly nodeCount: number;
  readonly counts: FaultCounts;
  readonly seed: number;
  readonly clientCount: number;
  readonly gapMs: number;
  /** How long the network may take to be whole again after a fault: longer where others use the machine too. */
  readonly healTimeoutMs: number;
  readonly minutes: number;
  /** Keeps the state and logs also of a good run. */
  readonly keep: boolean;
  readonly print: (line: Readonly<Record<string, unknown>>) => void;
}

/** What an SD card of the better kind takes. */
const SLOW_SYNC_MS = 20;

interface Disks {
  readonly states: readonly string[] | undefined;
  readonly faults: readonly PlannedFault[];
  release(): Promise<void>;
}

/** Whether nothing was violated. What cannot be done here is printed with the reason. */
export async function runPhase(options: PhaseOptions): Promise<boolean> {
  const { name, print } = options;
  let removed: string | null = null;
  const directory = mkdtempSync(join(tmpdir(), "mycelium-chaos-"));
  // A copy: a build meanwhile must not change what is tested.
  const executable = join(directory, "mycelium");
  cpSync(options.executable, executable);
  const network = await networkFor(options);
  const disks = await disksFor(options, directory);
  try {
    const isGood = await runOn(network, disks, { ...options, executable }, directory);
    if (!isGood || options.keep) print({ phase: name, kept: directory });
    else removed = directory;
    return isGood;
  } finally {
    network.close();
    await disks.release();
    if (removed !== null) rmSync(removed, { recursive: true });
  }
}

/** Its nodes have ended when it settles, whatever happened. */
async function runOn(
  network: TestNetwork,
  disks: Disks,
  options: PhaseOptions,
  directory: string,
): Promise<boolean> {
  const { name, nodeCount, counts, print, seed, executable } = options;
  let run: ChaosRun | null = null;
  const cluster = await Cluster.form({
    executable,
    directory,
    network,
    ...(disks.states === undefined ? {} : { states: disks.states }),
    onDeath: (what) => run?.violated(what),
  });
  try {
    run = new ChaosRun({
      cluster,
      seed,
      plan: [...faultsOf(counts, network), ...disks.faults],
      clientCount: options.clientCount,
      gapMs: options.gapMs,
      healTimeoutMs: options.healTimeoutMs,
      deadlineMs: performance.now() + options.minutes * 60_000,
      print: (line) => print({ phase: name, nodes: nodeCount, ...line }),
    });
    print({ phase: name, ...(await run.run()) });
    return run.violations.length === 0;
  } finally {
    await cluster.kill();
  }
}

async function networkFor({ counts, nodeCount, print }: PhaseOptions): Promise<TestNetwork> {
  const problem = namespaceProblem();
  if (problem === null) return namespaceNetwork(nodeCount);
  if ((counts.partitions ?? 0) > 0) print({ skipped: "partitions", reason: problem });
  return loopbackNetwork(nodeCount);
}

function faultsOf(counts: FaultCounts, network: TestNetwork): PlannedFault[] {
  const { kills = 0, pauses = 0, partitions = 0, flips = 0, behind = 0 } = counts;
  // Of the kills, one in twenty-five takes all nodes and one in twenty-five all but one.
  const groups = Math.round(kills / 25);
  return [
    { name: "kill one", fault: killOne, count: kills - 2 * groups },
    { name: "kill most", fault: killMost, count: groups },
    { name: "kill all", fault: killAll, count: groups },
    { name: "pause", fault: pauseOne, count: pauses },
    { name: "partition", fault: partition, count: network.cuts === null ? 0 : partitions },
    { name: "damage", fault: damage, count: flips, alone: true },
    { name: "leave behind", fault: leaveBehind, count: behind, alone: true },
  ];
}

async function disksFor(options: PhaseOptions, directory: string): Promise<Disks> {
  const { counts, nodeCount, print } = options;
  const { powerCuts = 0, slowTurns = 0, fullDisks = 0 } = counts;
  const plain = { states: undefined, faults: [], release: async () => {} };
  if (powerCuts + slowTurns > 0) {
    const reason = powerDiskProblem();
    if (reason === null) return powerDisks(directory, options);
    print({ skipped: powerCuts > 0 ? "power cuts" : "slow disks", reason });
  }
  if (fullDisks > 0) {
    const reason = smallDisksProblem();
    if (reason === null) return smallDisks(directory, nodeCount, fullDisks);
    print({ skipped: "full disks", reason });
  }
  return plain;
}

async function powerDisks(directory: string, { counts, nodeCount }: PhaseOptions): Promise<Disks> {
  const { powerCuts = 0, slowTurns = 0 } = counts;
  const disk = await PowerDisk.mount(directory);
  return {
    states: Array.from({ length: nodeCount }, (_, i) => join(disk.directory, `n${i}`)),
    faults: [
      { name: "power cut of all", fault: powerCutOfAll(disk), count: powerCuts },
      { name: "power cut of one", fault: powerCutOfOne(disk), count: powerCuts },
      { name: "slow disks", fault: slowTurn(disk, SLOW_SYNC_MS), count: slowTurns, alone: true },
    ],
    release: () => disk.unmount(),
  };
}

function smallDisks(directory: string, nodeCount: number, count: number): Disks {
  const disks = new SmallDisks(directory, nodeCount);
  return {
    states: Array.from({ length: nodeCount }, (_, i) => disks.state(i)),
    faults: [
      { name: "full disk of one", fault: fullDiskOfOne(disks), count, alone: true },
      { name: "full disk of all", fault: fullDiskOfAll(disks), count, alone: true },
    ],
    release: async () => disks.unmount(),
  };
}
