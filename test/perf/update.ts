/**
 * What an update costs: the size of the shipped file, starts of it, and the time and bytes of whole rollouts. Each node
 * runs on this machine, confirmed at the second look, after 3 s; what they fetch passes through a server on loopback.
 */

import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { ClusterNode } from "../cluster/cluster-node.ts";
import { freePorts, start, terminate, until } from "../cluster/processes.ts";
import { LAUNCHER, type TrialRelease, trialReleases } from "../update/releases.ts";
import { NEW_VERSION, recordOf, UpdateNetwork } from "../update/update-network.ts";
import type { Figures } from "./benches.ts";
import { median, round } from "./closed-loop.ts";
import { ENVIRONMENT } from "./mycelium.ts";
import { otherRuntime } from "./other-runtime.ts";

export interface UpdateBenchOptions {
  /** Compress as for a release: minutes, and 3 GB of memory. */
  readonly isSmall: boolean;
  /** How many nodes share what one needs. */
  readonly manyNodes: number;
}

const PROGRAM: TrialRelease = {
  version: NEW_VERSION,
  entry: resolve(import.meta.dir, "../integration/update/faulty-core.ts"),
};
const RUNTIME: TrialRelease = { version: NEW_VERSION, change: otherRuntime };
const SETTINGS = {
  MYCELIUM_UPDATE_HEALTH_INTERVAL: "3s",
  MYCELIUM_UPDATE_CONFIRM_AFTER: "1s",
};
const FEW_NODES = 5;
const STARTS = 5;
const COMMANDS = 21;
const SAMPLE_MS = 100;
const MB = 1e6;

/** Benches of the shipped file alone: nothing to compare them with runs beside them. */
export const UPDATE_BENCHES: Readonly<
  Record<string, (options: UpdateBenchOptions) => Promise<Figures>>
> = {
  start: startFigures,

  /** Five nodes: a change of the program only, and a change of the runtime below it. */
  async update(options) {
    const program = await rollout(FEW_NODES, PROGRAM, options);
    const runtime = await rollout(FEW_NODES, RUNTIME, options);
    return {
      shippedMb: runtime.shippedMb,
      programSeconds: program.seconds,
      programMbPerNode: program.nodeMb,
      programOriginMb: program.originMb,
      runtimeSeconds: runtime.seconds,
      runtimeMbPerNode: runtime.nodeMb,
      runtimeOriginMb: runtime.originMb,
      runtimeOriginOfShipped: round(runtime.originMb / runtime.shippedMb),
    };
  },

  /** Many nodes that all need nearly all of a release. */
  async updateMany(options) {
    const { originMb, seconds, shippedMb } = await rollout(options.manyNodes, RUNTIME, options);
    return {
      nodes: options.manyNodes,
      seconds,
      originMb,
      originOfShipped: round(originMb / shippedMb),
    };
  },
};

interface Rollout {
  readonly shippedMb: number;
  /** From the proposal to the last node's confirmation. */
  readonly seconds: number;
  readonly originMb: number;
  /** What the node fetched that fetched most, from peers and origin. */
  readonly nodeMb: number;
}

async function rollout(
  nodeCount: number,
  release: TrialRelease,
  { isSmall }: UpdateBenchOptions,
): Promise<Rollout> {
  const scratch = mkdtempSync(join(tmpdir(), "mycelium-perf-update-"));
  const releases = await trialReleases(scratch, [release], isSmall ? "small" : "quick");
  const arch = process.arch === "arm64" ? "arm64" : "x64";
  const shippedMb = statSync(join(releases.directory, `mycelium-linux-${arch}`)).size / MB;
  const network = await UpdateNetwork.form({ scratch, releases, nodeCount, settings: SETTINGS });
  try {
    network.publish();
    const fetched = new Fetched(network.nodes);
    const startMs = performance.now();
    const id = await network.begin(release.version, null);
    const plan = await network.untilEnd(id);
    const seconds = (performance.now() - startMs) / 1_000;
    const nodeMb = (await fetched.stop()) / MB;
    const isEverywhere = network.nodes.every(
      (node) => recordOf(node).active.version === release.version,
    );
    if (plan.state !== "done" || !isEverywhere)
      throw new Error(`the rollout is ${plan.state}: ${plan.reason}`);
    const originMb = network.originBytes / MB;
    return {
      shippedMb: round(shippedMb),
      seconds: round(seconds),
      originMb: round(originMb),
      nodeMb: round(nodeMb),
    };
  } finally {
    await network.close();
    rmSync(scratch, { recursive: true });
  }
}

/** What each node says it has fetched, looked at until its process ends with the switch. */
class Fetched {
  readonly #most = new Map<ClusterNode, number>();
  readonly #work: Promise<void>;
  #isOver = false;

  constructor(nodes: readonly ClusterNode[]) {
    this.#work = this.#watch(nodes);
  }

  /** The largest of all nodes. */
  async stop(): Promise<number> {
    this.#isOver = true;
    await this.#work;
    return Math.max(0, ...this.#most.values());
  }

  async #watch(nodes: readonly ClusterNode[]): Promise<void> {
    while (!this.#isOver) {
      await Promise.all(nodes.map((node) => this.#look(node)));
      await Bun.sleep(SAMPLE_MS);
    }
  }

  async #look(node: ClusterNode): Promise<void> {
    const { host, port } = node.target;
    const text = await fetch(`http://${host}:${port}/metrics`)
      .then((answer) => answer.text())
      .catch(() => "");
    let bytes = 0;
    for (const match of text.matchAll(/^mycelium_update_fetched_bytes\S* (\d+)/gm))
      bytes += Number(match[1]);
    this.#most.set(node, Math.max(bytes, this.#most.get(node) ?? 0));
  }
}

/** From an empty state directory to serving; and what the launcher adds to the start of a command, nothing unpacked. */
async function startFigures(): Promise<Figures> {
  const scratch = mkdtempSync(join(tmpdir(), "mycelium-perf-start-"));
  try {
    const coldMs: number[] = [];
    const warmMs: number[] = [];
    for (let at = 0; at < STARTS; at++) {
      const state = join(scratch, `state-${at}`);
      coldMs.push(await startMs(state, scratch));
      warmMs.push(await startMs(state, scratch));
    }
    const overhead = await launcherMs(join(scratch, "state-0"));
    return { coldStartMs: round(median(coldMs)), warmStartMs: round(median(warmMs)), ...overhead };
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

async function startMs(state: string, home: string): Promise<number> {
  const [port = 0, peerPort = 0, gossipPort = 0] = await freePorts(3);
  const log = `${state}.log`;
  mkdirSync(home, { recursive: true });
  const beganMs = performance.now();
  const child = start(
    [LAUNCHER, "run", "--state", state, "--host", "127.0.0.1", "--port", String(port)],
    log,
    {
      HOME: home,
      MYCELIUM_P2P_PORT: String(peerPort),
      MYCELIUM_GOSSIP_PORT: String(gossipPort),
      MYCELIUM_MDNS: "off",
    },
  );
  try {
    await until("health", async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/healthz`);
      return answer.ok ? true : null;
    });
    return performance.now() - beganMs;
  } finally {
    await terminate(child);
  }
}

/** `version` by the launcher and by the core it chooses, in turns. */
async function launcherMs(state: string): Promise<Figures> {
  const [slot = ""] = await Array.fromAsync(new Bun.Glob("core-*").scan(join(state, "slots")));
  const core = join(state, "slots", slot);
  const byLauncher: number[] = [];
  const byCore: number[] = [];
  for (let at = 0; at < COMMANDS; at++) {
    byLauncher.push(await versionMs(LAUNCHER, state));
    byCore.push(await versionMs(core, state));
  }
  const [launched, plain] = [median(byLauncher), median(byCore)];
  return {
    commandMs: round(launched),
    commandOfCoreMs: round(plain),
    launcherAddsMs: round(launched - plain),
  };
}

async function versionMs(executable: string, state: string): Promise<number> {
  const beganMs = performance.now();
  const env = { ...ENVIRONMENT, MYCELIUM_STATE: state, HOME: state };
  const child = Bun.spawn([executable, "version"], { env, stdout: "ignore", stderr: "inherit" });
  if ((await child.exited) !== 0) throw new Error(`${executable} version failed`);
  return performance.now() - beganMs;
}
