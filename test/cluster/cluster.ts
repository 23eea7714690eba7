/** A network of real nodes on this machine, made by the executable's own commands. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Status } from "../../src/domain/api/index.ts";
import { ClusterNode } from "./cluster-node.ts";
import { until } from "./processes.ts";
import type { TestNetwork } from "./test-network.ts";

/** Machines that do much else besides form slowly. */
const FORM_TIMEOUT_MS = 180_000;

export interface ClusterOptions {
  readonly executable: string;
  /** For logs, and for the state directories unless `states` says otherwise. */
  readonly directory: string;
  readonly network: TestNetwork;
  /** One a node. */
  readonly states?: readonly string[];
  /** MYCELIUM_* variables of every node. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly onDeath: (what: string, node: ClusterNode) => void;
}

export class Cluster {
  readonly nodes: readonly ClusterNode[];
  readonly network: TestNetwork;
  #token = "";

  private constructor(options: ClusterOptions) {
    const { executable, directory, network, states, settings = {}, onDeath } = options;
    mkdirSync(directory, { recursive: true });
    this.network = network;
    this.nodes = network.places.map((place, i) => {
      const node: ClusterNode = new ClusterNode({
        executable,
        place,
        settings,
        onDeath: (what) => onDeath(what, node),
        state: states?.[i] ?? join(directory, `n${i}`),
        logFile: join(directory, `n${i}.log`),
      });
      return node;
    });
  }

  /** Resolves when as many nodes vote in `main` as shall; when it rejects, none runs. */
  static async form(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(options);
    process.once("exit", () => void cluster.kill());
    try {
      await cluster.#form();
    } catch (error) {
      await cluster.kill();
      throw error;
    }
    return cluster;
  }

  async #form(): Promise<void> {
    const [first, ...others] = this.nodes;
    if (first === undefined) throw new Error("a cluster has at least one node");
    await first.command("init", "--network", "chaos", ...first.portFlags);
    first.start();
    await until("the first node's answer", () => first.status(), FORM_TIMEOUT_MS);
    const isHealthy = async () => ((await first.status()).healthy ? true : null);
    await until("the first leader", isHealthy, FORM_TIMEOUT_MS);
    if (others.length > 0) {
      const invite = await first.command("token", "create", "--uses", String(others.length));
      for (const node of others) {
        await node.command("join", invite, ...node.portFlags);
        node.start();
      }
    }
    this.#token = await first.command("token", "create", "--sql", "rw");
    await until("every node's vote", () => this.#formed(), FORM_TIMEOUT_MS);
  }

  get token(): string {
    return this.#token;
  }

  get upNodes(): ClusterNode[] {
    return this.nodes.filter((node) => node.isUp);
  }

  /** The node that leads `main` as some node says it; null when none is known. */
  async leader(): Promise<ClusterNode | null> {
    for (const node of this.upNodes) {
      const status = await node.status().catch(() => null);
      const found = this.nodes.find(({ id, isUp }) => isUp && id === status?.raft.leader);
      if (found !== undefined) return found;
    }
    return null;
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill("SIGTERM")));
  }

  /** Whatever runs, at once. */
  async kill(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
  }

  async #formed(): Promise<true | null> {
    const all = await Promise.all(this.nodes.map((node) => node.status()));
    const count = this.nodes.length;
    const isFormed = all.every(
      (status) => voterCount(status) === votersOf(count) && status.peers.length === count - 1,
    );
    return isFormed ? true : null;
  }
}

/** How many of so many nodes vote; the others hold copies. */
function votersOf(nodeCount: number): number {
  if (nodeCount <= 3) return nodeCount;
  return nodeCount < 5 ? 3 : 5;
}

function voterCount(status: Status): number {
  const main = status.raft.groups.find(({ id }) => id === "main");
  return main?.replicas.filter(({ voter }) => voter).length ?? 0;
}
