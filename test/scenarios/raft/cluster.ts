/**
 * Replicas of one group with a disk, a state machine and a network that do only what the caller says: the base of the
 * text scenarios and of the random safety test. Raft's invariants (thesis figure 3.2) are checked at every step.
 */

import {
  asLogIndex,
  asNodeId,
  asReplicaId,
  assert,
  type LogIndex,
  nodeOfReplica,
  present,
  type ReplicaId,
  SeededRandom,
  type Term,
} from "../../../src/base/index.ts";
import {
  BOOTSTRAP_INDEX,
  bootstrapSnapshot,
  type Configuration,
  DEFAULT_RAFT_OPTIONS,
  emptySnapshot,
  hasQuorum,
  type LogEntry,
  type Message,
  packMessage,
  RaftNode,
  type RaftOptions,
  type SnapshotMeta,
  type SnapshotRequest,
  unpackMessage,
} from "../../../src/domain/raft/index.ts";
import { decodeCbor, encodeCbor } from "../../../src/domain/wire/index.ts";
import { Disk } from "./disk.ts";

export interface Replica {
  readonly id: ReplicaId;
  readonly disk: Disk;
  /** Null while it is down. */
  node: RaftNode | null;
  /** "term:payload" by index: what it applied. */
  applied: Map<LogIndex, string>;
  appliedIndex: LogIndex;
  install: SnapshotRequest | null;
  /** The last snapshot its state machine installed. */
  installed: SnapshotMeta | null;
  /** What the disk reported and the log has not made good: a log store keeps it over restarts. */
  damagedUpTo: LogIndex | null;
  wasLeader: boolean;
  commitSeen: LogIndex;
}

export interface ClusterOptions {
  readonly seed: number;
  readonly configuration: Configuration;
  readonly raft?: Partial<RaftOptions>;
  /** Checks that what is committed is synced on a quorum; not once a disk was damaged. */
  readonly checkDurability?: boolean;
}

export class Cluster {
  readonly replicas = new Map<ReplicaId, Replica>();
  readonly network: Message[] = [];
  readonly reads: { replica: ReplicaId; context: number; index: LogIndex }[] = [];
  readonly random: SeededRandom;
  checkDurability: boolean;
  readonly #raft: RaftOptions;
  readonly #leaders = new Map<Term, ReplicaId>();
  readonly #committed = new Map<LogIndex, Term>();
  readonly #payloads = new Map<LogIndex, string>();
  readonly #metas = new Map<LogIndex, SnapshotMeta>();
  readonly #readFloor = new Map<string, LogIndex>();
  #commitMax = asLogIndex(0);

  constructor(options: ClusterOptions) {
    this.random = new SeededRandom(options.seed);
    this.#raft = { ...DEFAULT_RAFT_OPTIONS, ...options.raft };
    this.checkDurability = options.checkDurability ?? true;
    const first = bootstrapSnapshot(options.configuration);
    for (const { replica } of options.configuration.voters) this.#add(replica, first);
    for (const replica of options.configuration.learners) this.#add(replica, first);
  }

  /** A replica that waits to be made part of the group. */
  addEmpty(id: string): Replica {
    return this.#add(asReplicaId(id), emptySnapshot());
  }

  replica(id: string): Replica {
    return present(this.replicas.get(asReplicaId(id)), `replica ${id}`);
  }

  node(id: string): RaftNode {
    return present(this.replica(id).node, `the running node of ${id}`);
  }

  get commitMax(): LogIndex {
    return this.#commitMax;
  }

  start(replica: Replica): void {
    const { disk, installed } = replica;
    if (installed !== null && installed.index > disk.lastIndex) {
      disk.reset(0, installed);
      disk.sync();
    }
    replica.node = new RaftNode({
      id: replica.id,
      options: this.#raft,
      random: this.random.fork(),
      reader: disk,
      hardState: disk.hardState,
      snapshot: disk.snapshot,
      lastIndex: disk.lastIndex,
      appliedIndex: replica.appliedIndex,
      damagedUpTo: replica.damagedUpTo,
    });
    replica.install = null;
    replica.wasLeader = false;
    replica.commitSeen = asLogIndex(0);
  }

  crash(replica: Replica): void {
    replica.damagedUpTo = replica.node?.status().damagedUpTo ?? null;
    replica.node = null;
    replica.disk.crash();
  }

  /** Takes what a node has to say: messages to the network, entries to its state machine, writes to its disk. */
  drain(replica: Replica): void {
    const { node } = replica;
    if (node === null) return;
    for (;;) {
      const ready = node.takeReady();
      for (const message of ready.messages) this.network.push(throughTheWire(message));
      for (const entry of ready.committed) this.#apply(replica, entry);
      if (ready.snapshot !== null) replica.install = ready.snapshot;
      for (const read of ready.reads) this.#checkRead(replica, read.context, read.index);
      this.#check(replica, node);
      node.applied(replica.appliedIndex);
      const { messages, committed, reads } = ready;
      if (messages.length + committed.length + reads.length === 0) break;
    }
    const write = node.takeWrite();
    if (write !== null) replica.disk.write(write);
  }

  /** Makes a replica's oldest write durable. */
  sync(replica: Replica): void {
    const sequence = replica.disk.sync();
    replica.node?.persisted(sequence);
    this.drain(replica);
  }

  deliver(message: Message): void {
    const replica = this.replicas.get(message.to);
    if (replica?.node === null || replica === undefined) return;
    replica.node.step(message);
    this.drain(replica);
  }

  read(replica: Replica, context: number): void {
    this.#readFloor.set(`${replica.id}/${context}`, this.#commitMax);
    replica.node?.readIndex(context);
    this.drain(replica);
  }

  /** Ends an install with the state of the best replica that has what is asked for. */
  finishInstall(replica: Replica): boolean {
    const request = replica.install;
    const { node } = replica;
    if (request === null || node === null) return false;
    if (request.offered !== null && request.atLeast <= BOOTSTRAP_INDEX) {
      replica.install = null;
      this.#installed(replica, node, request.offered);
      return true;
    }
    const sources = [...this.replicas.values()].filter(
      (other) => other !== replica && other.appliedIndex >= request.atLeast,
    );
    const source = sources[this.random.below(Math.max(1, sources.length))];
    replica.install = null;
    const meta = source === undefined ? undefined : this.#metas.get(source.appliedIndex);
    if (source === undefined || meta === undefined) {
      node.snapshotFailed();
      return false;
    }
    replica.applied = new Map(source.applied);
    replica.appliedIndex = source.appliedIndex;
    replica.installed = meta;
    this.#installed(replica, node, meta);
    return true;
  }

  #installed(replica: Replica, node: RaftNode, meta: SnapshotMeta): void {
    const sequence = node.snapshotInstalled(meta);
    if (sequence !== null) replica.disk.reset(sequence, meta);
    this.drain(replica);
  }

  compact(replica: Replica, index: LogIndex): void {
    const snapshot = replica.node?.compact(index) ?? null;
    if (snapshot !== null) replica.disk.compact(snapshot);
  }

  #add(id: ReplicaId, snapshot: SnapshotMeta): Replica {
    const replica: Replica = {
      id,
      disk: new Disk(snapshot),
      node: null,
      applied: new Map(),
      appliedIndex: asLogIndex(0),
      install: null,
      installed: null,
      damagedUpTo: null,
      wasLeader: false,
      commitSeen: asLogIndex(0),
    };
    this.replicas.set(id, replica);
    this.start(replica);
    return replica;
  }

  #apply(replica: Replica, entry: LogEntry): void {
    const expected = replica.appliedIndex === 0 ? 2 : replica.appliedIndex + 1;
    assert(entry.index === expected, `${replica.id} applies ${entry.index}, not ${expected}`);
    assert(replica.disk.syncedTermOf(entry.index) === entry.term, `${entry.index} is not synced`);
    const text = `${entry.term}:${Buffer.from(entry.payload).toString("hex")}`;
    const known = this.#payloads.get(entry.index);
    assert(known === undefined || known === text, `state machine safety at ${entry.index}`);
    this.#payloads.set(entry.index, text);
    replica.applied.set(entry.index, text);
    replica.appliedIndex = entry.index;
    const meta = replica.node?.metaAt(entry.index);
    if (meta !== undefined) this.#metas.set(entry.index, meta);
  }

  #check(replica: Replica, node: RaftNode): void {
    if (node.role === "leader") {
      const other = this.#leaders.get(node.term);
      assert(other === undefined || other === replica.id, `two leaders in term ${node.term}`);
      this.#leaders.set(node.term, replica.id);
      if (!replica.wasLeader) this.#checkCompleteness(node);
    }
    replica.wasLeader = node.role === "leader";
    this.#checkCommit(replica, node);
  }

  #checkCompleteness(node: RaftNode): void {
    for (const [index, term] of this.#committed) {
      if (index <= node.snapshotIndex) continue;
      assert(node.termOf(index) === term, `leader ${node.id} lacks committed entry ${index}`);
    }
  }

  #checkCommit(replica: Replica, node: RaftNode): void {
    const from = Math.max(replica.commitSeen, node.snapshotIndex) + 1;
    assert(node.commitIndex >= replica.commitSeen, "a commit index falls");
    for (let i = from; i <= node.commitIndex; i++) {
      const index = asLogIndex(i);
      const term = present(node.termOf(index), `the term of committed entry ${index}`);
      const known = this.#committed.get(index);
      assert(known === undefined || known === term, `log matching at committed entry ${index}`);
      this.#committed.set(index, term);
      if (known === undefined && this.checkDurability) this.#checkSynced(node, index, term);
    }
    replica.commitSeen = node.commitIndex;
    if (node.commitIndex > this.#commitMax) this.#commitMax = node.commitIndex;
  }

  #checkSynced(node: RaftNode, index: LogIndex, term: Term): void {
    const isSynced = (id: ReplicaId): boolean => {
      const disk = this.replicas.get(id)?.disk;
      return (
        disk !== undefined && (disk.syncedTermOf(index) === term || disk.snapshot.index >= index)
      );
    };
    assert(hasQuorum(node.configuration, isSynced), `entry ${index} is committed, not synced`);
  }

  #checkRead(replica: Replica, context: number, index: LogIndex): void {
    const floor = this.#readFloor.get(`${replica.id}/${context}`) ?? 0;
    assert(index >= floor, `a stale read on ${replica.id}: ${index} after ${floor}`);
    this.reads.push({ replica: replica.id, context, index });
  }
}

/** Every message goes through the codec, so that it carries all that counts. */
function throughTheWire(message: Message): Message {
  const bytes = encodeCbor(packMessage(message));
  const from = asNodeId(nodeOfReplica(message.from));
  return unpackMessage(decodeCbor(bytes), from, asNodeId(nodeOfReplica(message.to)));
}
