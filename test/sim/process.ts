/** One process on a simulated machine: consensus and store wired as the agent wires them, on the ports in memory. */

import {
  MemoryLogger,
  MemoryLogStore,
  MemoryMetrics,
  MemoryShardDatabase,
  MemoryTransport,
} from "../../src/adapters/memory/index.ts";
import { otherReplicas, refillFrom } from "../../src/agent/refill.ts";
import {
  EMPTY_BYTES,
  errorCodeOf,
  type GroupId,
  type LogIndex,
  MyceliumError,
  type NodeId,
  nodeOfReplica,
  present,
  type Term,
} from "../../src/base/index.ts";
import {
  type Configuration,
  describeConfiguration,
  encodeConfiguration,
  levelWeights,
  makeConfiguration,
  type RaftNode,
} from "../../src/domain/raft/index.ts";
import type { GroupLog, SqlService } from "../../src/ports/index.ts";
import {
  CONSENSUS_SETTINGS,
  Consensus,
  PROMISES_CHANNEL,
} from "../../src/runtime/consensus/index.ts";
import {
  openOrReset,
  SHARD_LIMITS,
  Shard,
  type ShardOptions,
} from "../../src/runtime/store/index.ts";
import {
  checkedGroupLog,
  checkedLogStore,
  checkedStateMachine,
  checkedTransport,
} from "./checked-ports.ts";
import type { Machine } from "./machine.ts";
import type { World } from "./world.ts";

const CHANGE_TIMEOUT_MS = 10_000;
/** Small, so that one snapshot takes many messages. */
const SNAPSHOT_CHUNK_BYTES = 4_096;

/** Quick, so that tables are checked in every storm. */
const CHECK_LIMITS = {
  checkIntervalMs: 4_000,
  checkGapMinMs: 100,
  checkIdleMs: 2_000,
  checkAnswerMs: 5_000,
  checkDoubtMs: 500,
};

interface OpenShard {
  readonly shard: Shard;
  readonly database: MemoryShardDatabase;
  readonly log: GroupLog;
}

export class SimProcess {
  /** Resolves when the process dies. */
  readonly death: Promise<void>;
  readonly #world: World;
  readonly #machine: Machine;
  readonly #logStore: MemoryLogStore;
  readonly #transport: MemoryTransport;
  readonly #consensus: Consensus;
  readonly #shards = new Map<GroupId, OpenShard>();
  readonly #logger: MemoryLogger;
  #isServing = false;
  #die: () => void = () => undefined;

  constructor(world: World, machine: Machine) {
    this.#world = world;
    this.#machine = machine;
    this.#logger = new MemoryLogger((line) => world.logged(machine, line));
    this.#logStore = new MemoryLogStore(machine.logDisk, machine.host, machine);
    this.#transport = new MemoryTransport({
      network: world.network,
      host: machine.host,
      hello: helloOf(machine),
    });
    this.#consensus = new Consensus({
      node: machine.node,
      clock: machine.host,
      random: machine.random.fork(),
      logStore: checkedLogStore(this.#logStore, machine, world),
      transport: checkedTransport(this.#transport, machine, world),
      logger: this.#logger,
      metrics: new MemoryMetrics(),
      firstContext: machine.random.below(2 ** 32),
      settings: {
        ...CONSENSUS_SETTINGS,
        trailingEntries: world.plan.trailingCount,
        compactMinEntries: 1,
        electionMs: world.plan.electionMs,
        heartbeatMs: Math.min(100, world.plan.electionMs / 3),
        raft: {
          appendBytesMax: world.plan.appendBytesMax,
          inflightCountMax: world.plan.inflightCountMax,
        },
      },
      onFailure: (error) => world.fatal(machine, this, error),
      onForgotten: (error) => world.forgotten(machine, this, error),
    });
    this.death = new Promise((resolve) => {
      this.#die = resolve;
    });
  }

  async start(): Promise<void> {
    const { groups } = this.#world;
    await this.#consensus.start();
    for (const group of groups) {
      if (!this.#consensus.holds(group)) await this.#create(group);
      await this.#open(group);
    }
    await this.#transport.start({
      admit: () => ({ ok: true }),
      linkUp: ({ node, instance }) => this.#consensus.promises.linkUp(node, instance),
      linkDown: (node) => this.#consensus.linkDown(node),
      message: (from, channel, payload) => {
        if (channel === PROMISES_CHANNEL) return this.#consensus.promises.receive(from, payload);
        this.#world.rules.receives(this.#machine, from, payload, () =>
          this.#consensus.receive(from, payload),
        );
      },
      request: (from, method, payload) => this.#answer(from, method, payload),
    });
    const { machines } = this.#world;
    this.#transport.setPeers(machines.map(({ node }) => ({ node, addresses: [] })));
    this.#isServing = true;
  }

  died(): void {
    this.#die();
  }

  /** Null until the process serves. */
  service(group: GroupId): SqlService | null {
    return this.#isServing ? (this.#shards.get(group)?.shard.service ?? null) : null;
  }

  leads(group: GroupId): boolean {
    return this.#consensus.groupStatus(group)?.isReady === true;
  }

  /** The term this process leads in, ready or not; null when it does not. */
  leadsIn(group: GroupId): Term | null {
    const status = this.#consensus.groupStatus(group);
    return status?.role === "leader" ? status.term : null;
  }

  replica(group: GroupId): RaftNode | null {
    return this.#consensus.replica(group);
  }

  disown(group: GroupId): void {
    const { term } = this.#consensus.groupStatus(group) ?? {};
    if (term !== undefined) this.#consensus.disown(group, term, "the simulator says so");
  }

  handOver(group: GroupId): void {
    this.#shards.get(group)?.log.handOver("the simulator says so");
  }

  /** Serves, and has what others have. */
  isHealthy(group: GroupId): boolean {
    const opened = this.#shards.get(group);
    if (!this.#isServing || opened === undefined) return false;
    const { appliedIndex, resyncing } = opened.shard.status();
    const hasCaughtUp = appliedIndex >= this.#world.invariants.highestApplied(group);
    return hasCaughtUp && !resyncing && this.#consensus.groupStatus(group)?.damagedUpTo === null;
  }

  changeMembers(group: GroupId, weights: ReadonlyMap<Machine, number>): void {
    const target = configurationOf(weights, this.#world.machines);
    this.#world.trace.add(this.#machine.name, `changes members of ${group}`);
    this.#consensus.changeMembers(group, target, CHANGE_TIMEOUT_MS).then(
      () => this.#world.trace.add(this.#machine.name, `members of ${group} changed`),
      (error) => {
        if (errorCodeOf(error) === undefined) this.#world.fatal(this.#machine, this, error);
        this.#world.trace.add(this.#machine.name, `members not changed: ${errorCodeOf(error)}`);
      },
    );
  }

  /**
   * What the leader of members does for one that began another life: the replica it was goes, the new one learns, and
   * votes if the old one did. False when nothing is left to do.
   */
  replaceOldLives(group: GroupId, voted: Set<Machine>): boolean {
    const configuration = this.#consensus.configuration(group);
    if (configuration === null || configuration.outgoing.length > 0) return true;
    const { machines } = this.#world;
    const weights = new Map<Machine, number>();
    let isDone = true;
    for (const machine of machines) {
      const voter = configuration.voters.find(
        ({ replica }) => nodeOfReplica(replica) === machine.node,
      );
      const isOld = voter !== undefined && voter.replica !== machine.replica;
      if (isOld) voted.add(machine);
      const isWanted = voted.has(machine) && configuration.learners.includes(machine.replica);
      const isThere = voter !== undefined || configuration.learners.includes(machine.replica);
      if (isOld || isWanted || !isThere) isDone = false;
      if (voter !== undefined && !isOld) voted.delete(machine);
      if ((voter !== undefined && !isOld) || isWanted) weights.set(machine, voter?.weight ?? 1);
    }
    if (!isDone && weights.size > 0) this.changeMembers(group, weights);
    return !isDone;
  }

  /** Whether a majority is left without this node. */
  isMinority(group: GroupId): boolean {
    const configuration = this.#consensus.configuration(group);
    if (configuration === null || configuration.outgoing.length > 0) return false;
    const weigh = (voters: Configuration["voters"]) =>
      voters.reduce((sum, { weight }) => sum + weight, 0);
    const { voters } = configuration;
    const own = voters.filter(({ replica }) => nodeOfReplica(replica) === this.#machine.node);
    return weigh(own) * 2 < weigh(voters);
  }

  alter(group: GroupId, key: string, value: string): void {
    this.#shards.get(group)?.database.alter(key, value);
  }

  /** The state of a replica that has applied all there is; null while it has not. */
  image(group: GroupId): string | null {
    const opened = this.#shards.get(group);
    if (opened === undefined || !this.isHealthy(group)) return null;
    return opened.database.inspect().hash;
  }

  describe(group: GroupId): string {
    const status = this.#consensus.groupStatus(group);
    const shard = this.#shards.get(group)?.shard.status();
    if (status === null || shard === undefined) return `${this.#machine.name} is starting`;
    const { role, term, leader, commitIndex, lastIndex, damagedUpTo, isInstalling } = status;
    const configuration = this.#consensus.configuration(group);
    const parts = [
      `${this.#machine.name} ${role} in term ${term} of ${this.#world.nameOf(leader)}`,
      `commit ${commitIndex} last ${lastIndex} applied ${shard.appliedIndex}`,
      damagedUpTo === null ? "" : `damaged up to ${damagedUpTo}`,
      isInstalling ? "installing" : "",
      shard.resyncing ? "resyncing" : "",
      ...shard.problems.map(({ what }) => what),
      configuration === null ? "" : `[${describeConfiguration(configuration)}]`,
    ];
    return parts.filter((part) => part.length > 0).join(" ");
  }

  // What the invariants look at.

  termIn(group: GroupId, index: LogIndex): Term | null | "cut" {
    if (!this.#logStore.has(group)) return null;
    if (index < this.#logStore.firstIndex(group)) return "cut";
    return this.#logStore.termOf(group, index);
  }

  loggedConfigurations(group: GroupId): readonly Uint8Array[] {
    return this.#logStore.configurations(group);
  }

  /** Latest first. The one in force may not have been handed to the log yet (Raft thesis 4.1). */
  configurations(group: GroupId): readonly Uint8Array[] {
    const inForce = this.#consensus.configuration(group);
    const logged = this.loggedConfigurations(group);
    return inForce === null ? logged : [encodeConfiguration(inForce), ...logged];
  }

  async #create(group: GroupId): Promise<void> {
    const { machines, plan } = this.#world;
    const founders = machines.slice(0, plan.weights.length);
    const isFounder = founders.includes(this.#machine) && this.#machine.replicaLife === 0;
    if (!isFounder) return this.#consensus.joinEmpty(group);
    const weights = new Map(founders.map((machine, i) => [machine, plan.weights[i] ?? 1]));
    return this.#consensus.bootstrap(group, configurationOf(weights, machines));
  }

  async #open(group: GroupId): Promise<void> {
    const machine = this.#machine;
    const database = new MemoryShardDatabase(machine.shardDisk(group), machine.host, {
      writeMs: () => machine.databaseMs(),
      readMs: () => machine.databaseMs(),
    });
    const { position, damage } = await openOrReset(database);
    let shard: Shard | null = null;
    const log = await this.#consensus.open({
      group,
      replica: machine.replica,
      installed: position.installed,
      makeStateMachine: (groupLog) => {
        const log = checkedGroupLog(groupLog, machine, this.#world);
        shard = new Shard(this.#shardOptions(group, database, log), position);
        return checkedStateMachine(shard.stateMachine, group, machine, this.#world);
      },
    });
    const opened: Shard = present<Shard>(shard, "a shard that consensus opened");
    this.#shards.set(group, { shard: opened, database, log });
    if (damage === null) return;
    const from = refillFrom(this.#consensus, group, machine.node);
    if (from === "copy") void opened.resync(damage);
    else if (from === "nothing") opened.keepDamaged(damage);
  }

  #shardOptions(group: GroupId, database: MemoryShardDatabase, log: GroupLog): ShardOptions {
    const machine = this.#machine;
    const world = this.#world;
    return {
      shard: group,
      clock: machine.host,
      logger: this.#logger,
      metrics: new MemoryMetrics(),
      database,
      log,
      peers: this.#transport,
      authority: {
        node: machine.node,
        sign: checksum,
        verify: (_author, payload, signature) => Buffer.compare(checksum(payload), signature) === 0,
        mayWrite: () => true,
      },
      entropy: (sizeBytes) =>
        Uint8Array.from({ length: sizeBytes }, () => machine.random.below(256)),
      replicaNodes: () => otherReplicas(this.#consensus, group, machine.node),
      refill: (reason) => {
        const from = refillFrom(this.#consensus, group, machine.node);
        if (from === "log") world.fatal(machine, this, new MyceliumError("STATE_CORRUPT", reason));
        return from;
      },
      quorumUnseenMs: () => 0,
      clockOffMs: () => 0,
      onApplied: () => undefined,
      onFatal: (error) => world.fatal(machine, this, error),
      limits: {
        ...SHARD_LIMITS,
        checkpointMs: world.plan.checkpointMs,
        snapshotChunkBytes: SNAPSHOT_CHUNK_BYTES,
        ...CHECK_LIMITS,
      },
    };
  }

  async #answer(from: NodeId, method: string, payload: Uint8Array): Promise<Uint8Array> {
    for (const { shard } of this.#shards.values()) {
      if (shard.serves(method)) return shard.handle(from, method, payload);
    }
    throw new Error(`nobody serves ${method}`);
  }
}

function configurationOf(
  weights: ReadonlyMap<Machine, number>,
  machines: readonly Machine[],
): Configuration {
  const raw = new Map([...weights].map(([{ replica }, weight]) => [replica, weight]));
  const voters = [...levelWeights(raw)].map(([replica, weight]) => ({ replica, weight }));
  const others = machines.filter((machine) => !weights.has(machine));
  return makeConfiguration({ voters, learners: others.map(({ replica }) => replica) });
}

function helloOf(machine: Machine) {
  return {
    node: machine.node,
    instance: machine.processName,
    protocolVersion: "1.0",
    minProtocolVersion: "1.0",
    features: [],
    grant: EMPTY_BYTES,
    wallMs: machine.host.wallMs(),
    addresses: [],
  };
}

/** In place of a signature: nobody here lies, and bytes that changed on the way are still found. */
function checksum(payload: Uint8Array): Uint8Array {
  let mix = payload.length;
  for (const byte of payload) mix = Math.imul(mix ^ byte, 0x0100_0193) >>> 0;
  const signature = new Uint8Array(64);
  new DataView(signature.buffer).setUint32(0, mix);
  return signature;
}
