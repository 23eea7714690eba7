/**
 * A network of nodes that run the shipped file, each with a supervisor that starts it again as systemd does, and a
 * release directory on loopback that appears when it is published: what trials of whole rollouts need.
 */

import { cpSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { serveDirectory } from "../../build/publish/serve.ts";
import type { UpdateStatus } from "../../src/domain/api/index.ts";
import { parseSlotRecord, type SlotRecord } from "../../src/domain/update/index.ts";
import { Cluster } from "../cluster/cluster.ts";
import type { ClusterNode } from "../cluster/cluster-node.ts";
import { until } from "../cluster/processes.ts";
import { loopbackNetwork } from "../cluster/test-network.ts";
import { LAUNCHER, type TrialReleases } from "./releases.ts";

const QUIET = {
  MYCELIUM_MDNS: "off",
  MYCELIUM_GOSSIP: "off",
  // As systemd sets it: whoever supervises starts the node again, not the launcher's guardian.
  INVOCATION_ID: "trial",
};
export const OLD_VERSION = "0.1.0";
export const NEW_VERSION = "0.2.0";
const ENDS: readonly string[] = ["done", "aborted", "reverted", "rejected"];
const END_TIMEOUT_MS = 900_000;
const POLL_MS = 50;

export type PlanView = NonNullable<UpdateStatus["plan"]>;

export interface UpdateNetworkOptions {
  readonly scratch: string;
  readonly releases: TrialReleases;
  readonly nodeCount: number;
  readonly settings: Readonly<Record<string, string>>;
}

export class UpdateNetwork {
  readonly cluster: Cluster;
  readonly #hidden: string;
  readonly #served: string;
  readonly #stopServing: () => void;
  /** Bytes of targets that the origin sent: what updates cost it. */
  originBytes = 0;

  private constructor(cluster: Cluster, hidden: string, served: string, stopServing: () => void) {
    this.cluster = cluster;
    this.#hidden = hidden;
    this.#served = served;
    this.#stopServing = stopServing;
  }

  /** All nodes run version 0.1.0, and find no release yet. */
  static async form(options: UpdateNetworkOptions): Promise<UpdateNetwork> {
    const { nodeCount, releases, scratch, settings } = options;
    const served = join(scratch, "served");
    const root = join(scratch, "trusted-root.json");
    mkdirSync(served);
    cpSync(releases.root, root);
    const sent = (line: string) => network?.count(line);
    const { url, stop } = serveDirectory(served, 0, sent);
    let network: UpdateNetwork | null = null;
    const cluster = await Cluster.form({
      executable: LAUNCHER,
      directory: join(scratch, "nodes"),
      network: await loopbackNetwork(nodeCount),
      settings: {
        ...QUIET,
        HOME: scratch,
        MYCELIUM_UPDATE_URL: `${url}/releases`,
        MYCELIUM_UPDATE_ROOT: root,
        ...settings,
      },
      onDeath: (_, node) => node.start(),
    });
    network = new UpdateNetwork(cluster, releases.directory, served, stop);
    return network;
  }

  get nodes(): readonly ClusterNode[] {
    return this.cluster.nodes;
  }

  /** From here on the nodes can find the releases. */
  publish(): void {
    renameSync(this.#hidden, join(this.#served, "releases"));
  }

  /** Proposes the rollout, or finds that the network has done so already. The plan's id. */
  begin(version: string, after: string | null): Promise<string> {
    return this.#propose("update", version, after, "plan");
  }

  /** Proposes to go back to a version that the nodes still hold. The plan's id. */
  goBack(version: string, after: string | null): Promise<string> {
    return this.#propose("rollback", version, after, "rollback");
  }

  #propose(
    kind: PlanView["kind"],
    version: string,
    after: string | null,
    command: string,
  ): Promise<string> {
    return until(
      `the ${kind} to ${version}`,
      async () => {
        for (const node of this.nodes) {
          const plan = await this.plan(node);
          const isNew = plan?.kind === kind && plan.version === version && plan.id !== after;
          if (isNew) return plan.id;
        }
        await this.nodes[0]?.command("update", command, version);
        return null;
      },
      END_TIMEOUT_MS,
    );
  }

  /** As this node sees it; null when there is none, or the node does not answer just now. */
  async plan(node: ClusterNode): Promise<PlanView | null> {
    const update = await node.update().catch(() => null);
    return update?.plan ?? null;
  }

  /** Of whichever node answers first with what is asked for. */
  async untilPlan(id: string, what: string, is: (plan: PlanView) => boolean): Promise<PlanView> {
    return until(
      `a rollout that is ${what}`,
      async () => {
        for (const node of this.cluster.upNodes) {
          const plan = await this.plan(node);
          if (plan !== null && plan.id === id && is(plan)) return plan;
        }
        await Bun.sleep(POLL_MS);
        return null;
      },
      END_TIMEOUT_MS,
    );
  }

  untilEnd(id: string): Promise<PlanView> {
    return this.untilPlan(id, "over", ({ state }) => ENDS.includes(state));
  }

  /** Every node confirmed on the core it should run, healthy, and of its peers' opinion. */
  async untilSettled(): Promise<void> {
    await until(
      "a network at rest",
      async () => {
        const all = await Promise.all(this.nodes.map((node) => node.status()));
        const isQuiet = this.nodes.every((node) => recordOf(node).state === "confirmed");
        const isHealthy = all.every(
          ({ healthy, peers }) => healthy && peers.length === this.nodes.length - 1,
        );
        return isQuiet && isHealthy ? true : null;
      },
      END_TIMEOUT_MS,
    );
  }

  byId(id: string): ClusterNode {
    const node = this.nodes.find((one) => one.id === id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  /** The node that leads `system`. */
  async systemLeader(): Promise<ClusterNode> {
    return until(
      "a leader of `system`",
      async () => {
        for (const node of this.cluster.upNodes) {
          const status = await node.status().catch(() => null);
          const leader = status?.raft.groups.find(({ id }) => id === "system")?.leader;
          const found = this.nodes.find(({ id }) => id === leader);
          if (found !== undefined) return found;
        }
        return null;
      },
      END_TIMEOUT_MS,
    );
  }

  async close(): Promise<void> {
    await this.cluster.kill();
    this.#stopServing();
  }

  /** One line of the server's log: "206 GET /releases/targets/NAME bytes=0-99". */
  count(line: string): void {
    const match = /^206 GET \S*\/targets\/\S+ bytes=(\d+)-(\d+)$/.exec(line);
    if (match !== null) this.originBytes += Number(match[2]) - Number(match[1]) + 1;
    const whole = /^200 GET \/(\S*\/targets\/\S+)/.exec(line);
    if (whole !== null) this.originBytes += Bun.file(join(this.#served, whole[1] ?? "")).size;
  }
}

export function recordOf({ state }: ClusterNode): SlotRecord {
  return parseSlotRecord(readFileSync(join(state, "slots/record"), "utf8"));
}
