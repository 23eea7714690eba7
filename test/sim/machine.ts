/** One simulated machine: what outlives the processes on it, and the process that runs now. */

import { createHash } from "node:crypto";
import {
  MemoryHost,
  MemoryLogDisk,
  MemoryShardDisk,
  type Scheduler,
  ShardState,
} from "../../src/adapters/memory/index.ts";
import { groupsFor } from "../../src/agent/groups.ts";
import type { NodeState } from "../../src/agent/node-state.ts";
import {
  asNodeId,
  type GroupId,
  type NodeId,
  present,
  type Random,
  type ReplicaId,
  replicaOfNode,
  toBase58,
} from "../../src/base/index.ts";
import {
  type Grant,
  type NodeKey,
  nodeKeyFromSeed,
  verifyGrant,
} from "../../src/domain/identity/index.ts";
import type { Announcement } from "../../src/runtime/membership/index.ts";
import type { Growth, Plan } from "./plan.ts";
import type { SimProcess } from "./process.ts";

interface DiskCopy {
  readonly life: number;
  readonly log: ReturnType<MemoryLogDisk["copy"]>;
  readonly shards: ReadonlyMap<GroupId, ShardState>;
}

export interface MachineOptions {
  readonly index: number;
  readonly plan: Plan;
  readonly scheduler: Scheduler;
  readonly groups: readonly GroupId[];
}

export class Machine {
  readonly name: string;
  readonly node: NodeId;
  readonly key: NodeKey;
  readonly host: MemoryHost;
  readonly logDisk = new MemoryLogDisk();
  readonly shardDisks: ReadonlyMap<GroupId, MemoryShardDisk>;
  readonly random: Random;
  readonly #plan: Plan;
  readonly #index: number;
  #moveCount = 0;
  process: SimProcess | null = null;
  /** What made it a node of a growing network; null before it joined, and where membership is not run. */
  state: NodeState | null = null;
  /** Small files of its state directory, each written as a whole and synced. */
  readonly files = new Map<string, Uint8Array>();
  /** Where it can be reached; null: wherever it is. */
  address: string | null = null;
  /** How many times slower than planned the disk is just now. */
  diskSlowness = 1;
  wallJumpMs = 0;
  /** How far its wall clock is wrong beyond what is tolerated. */
  leapMs = 0;
  /** As a leader it does not see that its clock is off. */
  isBlindToClock = false;
  /** Which life of its replicas it is in, and how many it has begun. */
  replicaLife = 0;
  #lifeCount = 0;
  /** Of its disks, as they were at some time. */
  #copy: DiskCopy | null = null;

  constructor(options: MachineOptions) {
    const { index, plan, scheduler, groups } = options;
    this.#index = index;
    this.name = `n${index}`;
    this.key = nodeKeyFromSeed(sha256(`key of simulated node ${index}`));
    this.node = plan.growth === null ? simulatedNodeId(index) : this.key.nodeId;
    if (plan.growth !== null) this.address = addressOf(index, 0);
    this.random = scheduler.random.fork();
    this.#plan = plan;
    this.host = new MemoryHost(this.name, scheduler, {
      wallOffsetMs: this.random.below(4_000) - 2_000,
      rate: 1 + (this.random.float() - 0.5) / 1_000,
    });
    this.shardDisks = new Map(groups.map((group) => [group, new MemoryShardDisk()]));
  }

  get processName(): string {
    return `${this.name}.${this.host.life}`;
  }

  shardDisk(group: GroupId): MemoryShardDisk {
    return present(this.shardDisks.get(group), `the disk of ${group}`);
  }

  leap(byMs: number): void {
    this.leapMs += byMs;
    this.host.jumpWall(byMs);
  }

  get replica(): ReplicaId {
    return replicaOfNode(this.node, this.replicaLife);
  }

  get hasCopy(): boolean {
    return this.#copy !== null;
  }

  /** While no process runs. */
  copyDisks(): void {
    const shards = [...this.shardDisks].map(([group, disk]) => [group, disk.load()] as const);
    this.#copy = {
      life: this.replicaLife,
      log: this.logDisk.copy(),
      shards: new Map(shards),
    };
  }

  /** All that was promised since is forgotten. */
  putCopyBack(): void {
    const copy = present(this.#copy, "a copy of the disks");
    this.#copy = null;
    this.replicaLife = copy.life;
    this.logDisk.putBack(copy.log);
    for (const [group, state] of copy.shards) this.shardDisk(group).replace(state);
  }

  /** Its next life, as an empty replica. */
  beginLife(): void {
    this.replicaLife = ++this.#lifeCount;
    this.logDisk.putBack(new Map());
    for (const disk of this.shardDisks.values()) disk.replace(new ShardState());
  }

  /** The groups it holds replicas of, by its grant. */
  groups(): readonly GroupId[] {
    return groupsFor(this.#grant()?.role ?? null);
  }

  /** Whether its grant lets it vote. */
  mayVote(): boolean {
    const grant = this.#grant();
    return grant !== null && grant.role === "validator" && grant.tier <= 1;
  }

  /** What it says of itself. */
  announcement({ hasGossip }: Growth): Announcement {
    const address = this.address ?? "";
    const [host] = address.split(":");
    return {
      addresses: [address],
      apiAddresses: [`${host}:8080`],
      multiaddrs: hasGossip ? [`/ip4/${host}/tcp/9091`] : [],
      validatorWeight: 1,
      version: "0.1.0",
    };
  }

  /** It is reached elsewhere from its next start on. */
  move(): void {
    this.address = addressOf(this.#index, ++this.#moveCount);
  }

  syncMs(): number {
    const [min, max] = this.#plan.syncMs;
    return (min + this.random.float() ** 4 * (max - min)) * this.diskSlowness;
  }

  #grant(): Grant | null {
    if (this.state === null) return null;
    const verdict = verifyGrant(this.state.grant, this.state.network, this.host.wallMs());
    return verdict.ok ? verdict.grant : null;
  }

  databaseMs(): number {
    return this.random.float() ** 2 * this.#plan.databaseMs;
  }
}

/** An id of the right form; nobody holds its key. */
export function simulatedNodeId(index: number): NodeId {
  const key = sha256(`simulated node ${index}`);
  const prefix = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20);
  return asNodeId(toBase58(new Uint8Array([...prefix, ...key])));
}

function addressOf(index: number, moveCount: number): string {
  return `10.0.${moveCount}.${index + 1}:9090`;
}

function sha256(text: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(text).digest());
}
