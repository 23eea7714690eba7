/** One process on a simulated machine: consensus and store wired as the agent wires them, on the ports in memory. */

import {
  MemoryLogger,
  MemoryLogStore,
  MemoryMetrics,
  MemoryShardDatabase,
  MemoryTransport,
  SQL_ENGINE,
} from "../../src/adapters/memory/index.ts";
import { ClockCheck } from "../../src/agent/clock-check.ts";
import { SYSTEM } from "../../src/agent/groups.ts";
import { Links } from "../../src/agent/links.ts";
import { otherReplicas, refillFrom } from "../../src/agent/refill.ts";
import {
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
  encodeConfiguration,
  type RaftNode,
} from "../../src/domain/raft/index.ts";
import type { GroupLog, SqlService } from "../../src/ports/index.ts";
import { Consensus, PROMISES_CHANNEL } from "../../src/runtime/consensus/index.ts";
import { openOrReset, Shard, type ShardOptions } from "../../src/runtime/store/index.ts";
import {
  checkedGroupLog,
  checkedLogStore,
  checkedStateMachine,
  checkedTransport,
} from "./checked-ports.ts";
import { describeReplica } from "./describe-replica.ts";
import { configurationOf } from "./group-members.ts";
import type { Machine } from "./machine.ts";
import { MemberNode } from "./member-node.ts";
import { checksum, consensusSettingsOf, helloOf, shardLimitsOf } from "./process-settings.ts";
import { MAIN, type World } from "./world.ts";

const CHANGE_TIMEOUT_MS = 10_000;
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
  readonly #clocks: ClockCheck;
  readonly #links: Links;
  readonly #shards = new Map<GroupId, OpenShard>();
  readonly #logger: MemoryLogger;
  /** Null where membership is not run. */
  readonly members: MemberNode | null;
  #isServing = false;
  #die: () => void = () => undefined;

  constructor(world: World, machine: Machine) {
    this.#world = world;
    this.#machine = machine;
    this.#clocks = new ClockCheck(machine.host);
    this.#logger = new MemoryLogger((line) => world.logged(machine, line));
    this.#links = new Links(machine.host);
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
      settings: consensusSettingsOf(world.plan),
      mayVote: (node) => this.members?.membership.isValidator(node) ?? true,
      onFailure: (error) => world.fatal(machine, this, error),
      onForgotten: (error) => world.forgotten(machine, this, error),
    });
    this.members = this.#memberNode();
    this.death = new Promise((resolve) => {
      this.#die = resolve;
    });
  }

  async start(): Promise<void> {
    await this.#consensus.start();
    for (const group of this.members?.groups ?? [MAIN]) {
      if (!this.#consensus.holds(group)) await this.#create(group);
      await this.#open(group);
    }
    await this.#transport.start({
      admit: (hello) => this.members?.membership.admit(hello) ?? { ok: true },
      linkUp: (hello) => {
        this.#links.up(hello);
        this.members?.linkUp(hello);
        this.#consensus.promises.linkUp(hello.node, hello.instance);
        this.#clocks.note(hello.node, hello.wallMs);
      },
      linkDown: (node) => {
        this.#links.down(node);
        this.#consensus.linkDown(node);
        this.#clocks.forget(node);
      },
      message: (from, channel, payload) => {
        const { promises } = this.#world;
        const hear = () => this.#consensus.promises.receive(from, payload);
        if (channel === PROMISES_CHANNEL) return promises.told(this.#machine, from, hear);
        this.#world.rules.receives(this.#machine, from, payload, () =>
          this.#consensus.receive(from, payload),
        );
      },
      request: (from, method, payload) => this.#answer(from, method, payload),
    });
    const { machines } = this.#world;
    if (this.members === null) {
      this.#transport.setPeers(machines.map(({ node }) => ({ node, addresses: [] })));
    } else await this.members.start(this.#shards.get(SYSTEM)?.shard.service ?? null);
    this.#isServing = true;
  }

  /** Whether there is a link now. */
  isLinked(node: NodeId): boolean {
    return this.#transport.links().some((link) => link.node === node && link.state === "up");
  }

  configuration(group: GroupId): Configuration | null {
    return this.#consensus.configuration(group);
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
    const leader = this.#world.nameOf(status.leader);
    const configuration = this.#consensus.configuration(group);
    return `${this.#machine.name} ${describeReplica({ status, shard, leader, configuration })}`;
  }

  // What the invariants look at.

  checkApplied(group: GroupId): void {
    const { database, shard } = this.#shards.get(group) ?? {};
    if (shard === undefined || database === undefined || shard.status().resyncing) return;
    const said = shard.stateMachine.appliedIndex();
    this.#world.invariants.reads(this.#machine.name, group, said, database.appliedIndex);
  }

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

  #memberNode(): MemberNode | null {
    const { growing } = this.#world;
    const machine = this.#machine;
    const { state } = machine;
    if (growing === null || state === null) return null;
    return new MemberNode({
      growing,
      machine,
      state,
      consensus: this.#consensus,
      transport: this.#transport,
      links: this.#links,
      logger: this.#logger,
      service: (group) => this.#shards.get(group)?.shard.service ?? null,
      onFatal: (error) => this.#world.fatal(machine, this, error),
      onLink: (peer) => this.#world.membershipRules?.linkUp(machine, peer),
      onList: () => this.#world.membershipRules?.listChanged(machine),
    });
  }

  async #create(group: GroupId): Promise<void> {
    const { growing, machines, plan } = this.#world;
    if (growing !== null) {
      const [founder] = machines;
      if (founder !== this.#machine) return this.#consensus.joinEmpty(group);
      const alone = new Map([[founder, plan.weights[0] ?? 1]]);
      return this.#consensus.bootstrap(group, configurationOf(alone, []));
    }
    const founders = machines.slice(0, plan.weights.length);
    const isFounder = founders.includes(this.#machine) && this.#machine.replicaLife === 0;
    if (!isFounder) return this.#consensus.joinEmpty(group);
    const weights = new Map(founders.map((machine, i) => [machine, plan.weights[i] ?? 1]));
    return this.#consensus.bootstrap(group, configurationOf(weights, machines));
  }

  async #open(group: GroupId): Promise<void> {
    const machine = this.#machine;
    const timing = { writeMs: () => machine.databaseMs(), readMs: () => machine.databaseMs() };
    const engine = group === SYSTEM ? SQL_ENGINE : undefined;
    const disk = machine.shardDisk(group);
    const database = new MemoryShardDatabase(disk, machine.host, timing, engine);
    const { position, damage } = await openOrReset(database);
    let shard: Shard | null = null;
    const log = await this.#consensus.open({
      group,
      replica: machine.replica,
      installed: position.installed,
      makeStateMachine: (groupLog) => {
        const log = checkedGroupLog(groupLog, group, machine, this.#world);
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
        mayWrite: (author) => this.#mayWrite(author),
      },
      entropy: (sizeBytes) =>
        Uint8Array.from({ length: sizeBytes }, () => machine.random.below(256)),
      replicaNodes: () => otherReplicas(this.#consensus, group, machine.node),
      refill: (reason) => {
        const from = refillFrom(this.#consensus, group, machine.node);
        if (from === "log") world.fatal(machine, this, new MyceliumError("STATE_CORRUPT", reason));
        return from;
      },
      quorumUnseenMs: () => this.#quorumUnseenMs(group),
      clockOffMs: () => (machine.isBlindToClock ? 0 : this.#clocks.aheadOfAllMs()),
      aheadMs: (peer, timeMs) => this.#clocks.peerAheadMs(peer, timeMs),
      onApplied: () => this.members?.onApplied.get(group)?.(),
      onFatal: (error) => world.fatal(machine, this, error),
      limits: shardLimitsOf(world.plan),
    };
  }

  #mayWrite(author: NodeId): boolean {
    if (this.members === null) return true;
    const { grant, membership } = this.members;
    return author === grant.member ? grant.role === "validator" : membership.isValidator(author);
  }

  #quorumUnseenMs(group: GroupId): number {
    const configuration = this.#consensus.configuration(group);
    return configuration === null
      ? 0
      : this.#links.quorumUnseenMs(configuration, this.#machine.node);
  }

  async #answer(from: NodeId, method: string, payload: Uint8Array): Promise<Uint8Array> {
    const shards = [...this.#shards.values()].map(({ shard }) => shard);
    if (this.members !== null) return this.members.answer(from, method, payload, shards);
    for (const shard of shards) {
      if (shard.serves(method)) return shard.handle(from, method, payload);
    }
    throw new Error(`nobody serves ${method}`);
  }
}
