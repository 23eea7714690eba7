/** Raft's invariants under random schedules: loss, duplication, reordering, crashes, weights that change in flight. */

import { expect, test } from "bun:test";
import { asLogIndex, asReplicaId, assert, type ReplicaId } from "../../../src/base/index.ts";
import {
  type Configuration,
  levelWeights,
  makeConfiguration,
} from "../../../src/domain/raft/index.ts";
import { Cluster, type Replica } from "./cluster.ts";

const NAMES = ["a", "b", "c", "d", "e"];
const SEEDS = 150;
const STEPS = 3_000;

for (const mode of ["steady members", "changing members", "damaged disks"] as const) {
  test(`no schedule breaks an invariant: ${mode}`, () => {
    let committed = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        committed += new Run(seed, mode).play();
      } catch (error) {
        throw new Error(
          `seed ${seed} of "${mode}": ${error instanceof Error ? error.stack : error}`,
        );
      }
    }
    // A net that catches nothing because nothing happens is no net.
    expect(committed).toBeGreaterThan(SEEDS * 10);
  }, 120_000);
}

class Run {
  readonly #cluster: Cluster;
  readonly #mode: string;
  readonly #cut = new Set<ReplicaId>();
  #count = 0;

  constructor(seed: number, mode: string) {
    this.#mode = mode;
    const raw = [1 + (seed % 4), 1 + ((seed >> 2) % 3), 1 + ((seed >> 4) % 2)];
    // Only with levelled weights a group bears the loss of any one.
    const weights = mode === "damaged disks" ? level(raw) : raw;
    this.#cluster = new Cluster({
      seed,
      configuration: makeConfiguration({
        voters: weights.map((weight, i) => ({ replica: asReplicaId(NAMES[i]!), weight })),
      }),
      raft: { electionTicks: 10, heartbeatTicks: 2, appendBytesMax: 200, inflightCountMax: 3 },
      checkDurability: mode === "steady members",
    });
    this.#cluster.addEmpty("d");
    this.#cluster.addEmpty("e");
  }

  /** How much was committed. Ends with faults stopped, when the group must make progress again. */
  play(): number {
    for (let i = 0; i < STEPS; i++) this.#step();
    this.#heal();
    return this.#cluster.commitMax;
  }

  #step(): void {
    const { random } = this.#cluster;
    const dice = random.below(100);
    if (dice < 45) this.#deliver();
    else if (dice < 65) this.#onNode((replica) => replica.node?.tick());
    else if (dice < 80) this.#syncOne();
    else if (dice < 90) this.#propose();
    else if (dice < 93) this.#read();
    else if (dice < 94) this.#crashOrStart();
    else if (dice < 95) this.#toggleCut();
    else if (dice < 96) this.#onNode((replica) => replica.node?.transferLeadership(null));
    else if (dice < 98) this.#compactOrInstall();
    else if (this.#mode === "changing members") this.#changeMembers();
  }

  #deliver(): void {
    const { network, random } = this.#cluster;
    if (network.length === 0) return;
    const i = random.below(Math.min(network.length, 8));
    const message = network[i]!;
    if (random.below(10) > 0) network.splice(i, 1);
    const isLost =
      random.below(12) === 0 || this.#cut.has(message.from) || this.#cut.has(message.to);
    if (!isLost) this.#cluster.deliver(message);
  }

  #onNode(act: (replica: Replica) => void): void {
    const all = [...this.#cluster.replicas.values()];
    const replica = all[this.#cluster.random.below(all.length)]!;
    act(replica);
    this.#cluster.drain(replica);
  }

  #syncOne(): void {
    const waiting = [...this.#cluster.replicas.values()].filter((r) => r.disk.hasUnsynced);
    const replica = waiting[this.#cluster.random.below(Math.max(1, waiting.length))];
    if (replica !== undefined) this.#cluster.sync(replica);
  }

  #propose(): void {
    for (const replica of this.#cluster.replicas.values()) {
      if (replica.node?.role !== "leader") continue;
      replica.node.propose([new Uint8Array([this.#count & 255, this.#count++ >> 8])]);
      this.#cluster.drain(replica);
    }
  }

  #read(): void {
    this.#onNode((replica) => this.#cluster.read(replica, this.#count++));
  }

  #crashOrStart(): void {
    const { random } = this.#cluster;
    this.#onNode((replica) => {
      if (replica.node === null) this.#cluster.start(replica);
      else if (this.#mode === "damaged disks" && this.#canDamage(replica)) this.#damage(replica);
      else if (random.below(2) === 0) this.#cluster.crash(replica);
    });
  }

  /** Damage is survivable while it hits a minority at a time. */
  #canDamage(replica: Replica): boolean {
    const isWhole = [...this.#cluster.replicas.values()].every(
      (other) =>
        other.node !== null && other.node.status().damagedUpTo === null && other.node.lastIndex > 0,
    );
    return isWhole && replica.disk.snapshot.index < replica.disk.syncedLastIndex;
  }

  #damage(replica: Replica): void {
    this.#cluster.crash(replica);
    const { disk } = replica;
    const last = disk.syncedLastIndex;
    const span = last - disk.snapshot.index;
    disk.damage(asLogIndex(disk.snapshot.index + 1 + this.#cluster.random.below(span)));
    replica.damagedUpTo = last;
    this.#cluster.start(replica);
  }

  #toggleCut(): void {
    this.#onNode((replica) => {
      if (!this.#cut.delete(replica.id)) this.#cut.add(replica.id);
    });
  }

  #compactOrInstall(): void {
    this.#onNode((replica) => {
      if (this.#cluster.finishInstall(replica)) return;
      this.#cluster.compact(replica, asLogIndex(Math.max(0, replica.appliedIndex - 3)));
    });
  }

  #changeMembers(): void {
    const target = this.#randomConfiguration();
    for (const replica of this.#cluster.replicas.values()) {
      if (replica.node?.role !== "leader") continue;
      replica.node.proposeConfiguration(target);
      this.#cluster.drain(replica);
      // A change that its leader does not live to see through may be undone.
      if (this.#cluster.random.below(4) === 0) this.#cut.add(replica.id);
    }
  }

  #randomConfiguration(): Configuration {
    const { random } = this.#cluster;
    const roles = NAMES.map((name) => ({ replica: asReplicaId(name), dice: random.below(4) }));
    const voters = roles.filter(({ dice }) => dice > 1);
    if (voters.length === 0) voters.push({ replica: asReplicaId("a"), dice: 3 });
    return makeConfiguration({
      voters: voters.map(({ replica }) => ({ replica, weight: 1 + random.below(4) })),
      learners: roles
        .filter((role) => role.dice === 1 && !voters.includes(role))
        .map((role) => role.replica)
        .filter((replica) => voters.every((voter) => voter.replica !== replica)),
    });
  }

  #heal(): void {
    this.#cut.clear();
    const replicas = [...this.#cluster.replicas.values()];
    for (const replica of replicas) if (replica.node === null) this.#cluster.start(replica);
    const before = this.#cluster.commitMax;
    for (let round = 0; round < 600; round++) {
      this.#settle(replicas);
      if (this.#cluster.commitMax > before + 3 && this.#hasConverged(replicas)) return;
      if (round % 10 === 0 && round < 400) this.#propose();
    }
    const states = replicas.map(({ node }) => JSON.stringify(node?.status())).join("\n");
    assert(false, `no progress after the faults stopped\n${states}`);
  }

  #settle(replicas: readonly Replica[]): void {
    for (const replica of replicas) {
      replica.node?.tick();
      this.#cluster.drain(replica);
    }
    for (let i = 0; i < 500; i++) {
      for (const replica of replicas) {
        while (replica.disk.hasUnsynced) this.#cluster.sync(replica);
        this.#cluster.finishInstall(replica);
      }
      const message = this.#cluster.network.shift();
      if (message === undefined) break;
      this.#cluster.deliver(message);
    }
  }

  /** All that the leader counts in have all it has. */
  #hasConverged(replicas: readonly Replica[]): boolean {
    const leader = replicas.find(({ node }) => node?.role === "leader");
    if (leader?.node === undefined || leader.node === null) return false;
    const members = leader.node.status().peers.map((peer) => peer.replica);
    return members.every((id) => this.#cluster.replica(id).appliedIndex === leader.node?.lastIndex);
  }
}

function level(raw: readonly number[]): number[] {
  return [...levelWeights(new Map(raw.map((w, i) => [asReplicaId(NAMES[i]!), w]))).values()];
}
