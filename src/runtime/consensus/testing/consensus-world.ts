/** Nodes of consensus on a virtual clock, with logs and state machines in memory that can be made to fail. */

import {
  asGroupId,
  asLogIndex,
  asNodeId,
  asReplicaId,
  assert,
  asTerm,
  type GroupId,
  type LogIndex,
  MyceliumError,
  type NodeId,
  present,
  SeededRandom,
} from "../../../base/index.ts";
import { makeConfiguration } from "../../../domain/raft/index.ts";
import type {
  Clock,
  GroupLog,
  Leadership,
  LogEntry,
  Logger,
  LogStore,
  LogWrite,
  Metrics,
  RecoveredGroup,
  SnapshotMeta,
  StateMachine,
  Timer,
} from "../../../ports/index.ts";
import { CONSENSUS_SETTINGS, Consensus, type ConsensusSettings } from "../index.ts";

export const GROUP = asGroupId("main");
export const MEMBERS = ["a", "b", "c"];
export const MINER = asNodeId("m");

/** Virtual time. Microtasks run to their end between two instants. */
export class World implements Clock {
  nowMs = 0;
  readonly nodes = new Map<NodeId, TestNode>();
  readonly cut = new Set<NodeId>();
  #timers: { atMs: number; callback: () => void }[] = [];

  wallMs = () => this.nowMs;
  monotonicMs = () => this.nowMs;

  after(delayMs: number, callback: () => void): Timer {
    const timer = { atMs: this.nowMs + delayMs, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  /** No virtual time passes while a message, a write and the answer are under way. */
  async settle(): Promise<void> {
    for (let hop = 0; hop < 8; hop++) {
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  async run(durationMs: number): Promise<void> {
    await this.until(() => false, durationMs);
  }

  /** Lets time pass until it holds; false when it never did. */
  async until(holds: () => boolean, timeoutMs = 5_000): Promise<boolean> {
    const endMs = this.nowMs + timeoutMs;
    await this.settle();
    while (!holds()) {
      this.#timers.sort((a, b) => a.atMs - b.atMs);
      const next = this.#timers[0];
      if (next === undefined || next.atMs > endMs) {
        this.nowMs = endMs;
        return holds();
      }
      this.#timers.shift();
      this.nowMs = next.atMs;
      next.callback();
      await this.settle();
    }
    return true;
  }

  deliver(from: NodeId, to: NodeId, payload: Uint8Array): boolean {
    const node = this.nodes.get(to);
    if (node === undefined || this.cut.has(from) || this.cut.has(to)) return false;
    const copy = payload.slice();
    setImmediate(() => {
      if (this.nodes.get(to) === node) node.consensus.receive(from, copy);
    });
    return true;
  }
}

/** Durable at the next macrotask; what a process wrote survives its end. */
export class FakeLogStore implements LogStore {
  readonly groups = new Map<
    GroupId,
    { hardState: RecoveredGroup["hardState"]; snapshot: SnapshotMeta; entries: LogEntry[] }
  >();
  failure: MyceliumError | null = null;
  appends = 0;

  async open(): Promise<readonly RecoveredGroup[]> {
    return [...this.groups].map(([group, { hardState, snapshot, entries }]) => ({
      group,
      hardState,
      snapshot,
      lastIndex: asLogIndex(snapshot.index + entries.length),
      damagedUpTo: null,
    }));
  }

  async create(group: GroupId, snapshot: SnapshotMeta): Promise<void> {
    const hardState = { term: asTerm(0), votedFor: null };
    this.groups.set(group, { hardState, snapshot, entries: [] });
  }

  /** What a full disk refused: the next write that finds room takes it too. */
  readonly kept: LogWrite[] = [];

  append(writes: readonly LogWrite[]): Promise<void> {
    this.appends++;
    this.kept.push(...writes);
    const { failure } = this;
    if (failure !== null) return Promise.reject(failure);
    for (const { group, hardState, entries } of this.kept.splice(0)) {
      const log = present(this.groups.get(group), `the log of ${group}`);
      if (hardState !== null) log.hardState = hardState;
      if (entries[0] === undefined) continue;
      log.entries.length = entries[0].index - log.snapshot.index - 1;
      log.entries.push(...entries);
    }
    return new Promise((resolve) => setImmediate(resolve));
  }

  entries(group: GroupId, from: LogIndex, to: LogIndex): readonly LogEntry[] {
    const { snapshot, entries } = present(this.groups.get(group), `the log of ${group}`);
    return entries.slice(from - snapshot.index - 1, to - snapshot.index);
  }

  termOf(group: GroupId, index: LogIndex) {
    const { snapshot, entries } = present(this.groups.get(group), `the log of ${group}`);
    if (index === snapshot.index) return snapshot.term;
    return entries[index - snapshot.index - 1]?.term ?? null;
  }

  async compact(group: GroupId, snapshot: SnapshotMeta): Promise<void> {
    const log = present(this.groups.get(group), `the log of ${group}`);
    log.entries.splice(0, snapshot.index - log.snapshot.index);
    log.snapshot = snapshot;
  }

  async reset(group: GroupId, snapshot: SnapshotMeta): Promise<void> {
    const log = present(this.groups.get(group), `the log of ${group}`);
    log.entries = [];
    log.snapshot = snapshot;
  }

  async remove(group: GroupId): Promise<void> {
    this.groups.delete(group);
  }

  sizeBytes = () => 0;
  close = async () => {};
}

/** Holds the texts it applied. */
export class Machine implements StateMachine {
  readonly #world: World;
  readonly log: GroupLog;
  texts: string[] = [];
  applied = asLogIndex(0);
  readonly leaderships: Leadership[] = [];
  installs = 0;

  constructor(world: World, log: GroupLog) {
    this.#world = world;
    this.log = log;
  }

  apply(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      const isNext = this.applied === 0 || entry.index === this.applied + 1;
      assert(isNext, `entry ${entry.index} after ${this.applied}`);
      this.applied = entry.index;
      if (entry.kind === "command") this.texts.push(Buffer.from(entry.payload).toString());
    }
  }

  appliedIndex = () => this.applied;
  leadershipChanged = (leadership: Leadership) => void this.leaderships.push(leadership);

  async installSnapshot(source: NodeId, atLeast: LogIndex): Promise<SnapshotMeta> {
    const other = this.#world.nodes.get(source)?.machine;
    if (other === undefined || other.applied < atLeast) {
      throw new MyceliumError("UNREACHABLE", `Cannot fetch a snapshot of ${source}`);
    }
    const meta = other.log.metaAt(other.applied);
    this.installs++;
    this.texts = [...other.texts];
    this.applied = meta.index;
    return meta;
  }
}

export class TestNode {
  readonly id: NodeId;
  readonly logStore: FakeLogStore;
  readonly consensus: Consensus;
  failure: MyceliumError | null = null;
  machine!: Machine;

  constructor(world: World, id: NodeId, logStore: FakeLogStore, settings: ConsensusSettings) {
    this.id = id;
    this.logStore = logStore;
    this.consensus = new Consensus({
      node: id,
      clock: world,
      random: new SeededRandom(id.charCodeAt(0) * 7 + world.nowMs),
      logStore,
      transport: { send: (to, _channel, payload) => world.deliver(id, to, payload) },
      logger: SILENT,
      metrics: NO_METRICS,
      settings,
      mayVote: (node) => node !== MINER,
      onFailure: (error) => {
        this.failure = error;
      },
    });
  }

  texts(): string[] {
    return this.machine.texts;
  }

  get leads(): boolean {
    return this.machine.log.leadership().ready;
  }
}

export const SILENT: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => SILENT,
};
export const NO_METRICS: Metrics = { count() {}, gauge() {}, observeSeconds() {} };

let running: TestNode[] = [];

/** Call after each test. */
export function stopAll(): void {
  for (const node of running) void node.consensus.stop();
  running = [];
}

export function configurationOf(ids: readonly string[], learners: readonly string[] = []) {
  return makeConfiguration({
    voters: ids.map((id) => ({ replica: asReplicaId(id), weight: 1 })),
    learners: learners.map(asReplicaId),
  });
}

export async function startNode(
  world: World,
  name: string,
  options: {
    founders?: readonly string[];
    from?: TestNode;
    settings?: Partial<ConsensusSettings>;
    installed?: SnapshotMeta;
  } = {},
): Promise<TestNode> {
  const { founders = MEMBERS, from, settings, installed = null } = options;
  const logStore = from?.logStore ?? new FakeLogStore();
  const node = new TestNode(world, asNodeId(name), logStore, {
    ...CONSENSUS_SETTINGS,
    ...settings,
  });
  await node.consensus.start();
  if (!node.consensus.holds(GROUP)) {
    if (founders.includes(name)) await node.consensus.bootstrap(GROUP, configurationOf(founders));
    else await node.consensus.joinEmpty(GROUP);
  }
  await node.consensus.open({
    group: GROUP,
    replica: asReplicaId(name),
    installed,
    makeStateMachine: (log) => {
      node.machine = new Machine(world, log);
      if (from !== undefined) {
        node.machine.texts = from.machine.texts;
        node.machine.applied = from.machine.applied;
      }
      return node.machine;
    },
  });
  world.nodes.set(node.id, node);
  running.push(node);
  return node;
}

export async function startThree(
  world: World,
  settings?: Partial<ConsensusSettings>,
): Promise<{ nodes: TestNode[]; leader: TestNode; followers: TestNode[] }> {
  const nodes: TestNode[] = [];
  for (const name of MEMBERS) {
    nodes.push(await startNode(world, name, settings === undefined ? {} : { settings }));
  }
  await world.until(() => nodes.some((node) => node.leads));
  const leader = present(
    nodes.find((node) => node.leads),
    "a leader of three nodes",
  );
  return { nodes, leader, followers: nodes.filter((node) => node !== leader) };
}

export function propose(node: TestNode, text: string): boolean {
  return node.machine.log.propose(Buffer.from(text)) !== null;
}

export function kill(world: World, node: TestNode): void {
  world.nodes.delete(node.id);
  running = running.filter((other) => other !== node);
}
