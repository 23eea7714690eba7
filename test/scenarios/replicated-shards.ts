/** Replicas of one shard on `adapters/memory`, with a log in their middle that commits whatever its leader proposes. */

import { createHash } from "node:crypto";
import {
  type LogLine,
  MemoryHost,
  MemoryLogger,
  MemoryMetrics,
  MemoryShardDatabase,
  MemoryShardDisk,
  Scheduler,
} from "../../src/adapters/memory/index.ts";
import {
  asGroupId,
  asLogIndex,
  asNodeId,
  asRequestId,
  asTerm,
  EMPTY_BYTES,
  errorCodeOf,
  MyceliumError,
  type NodeId,
  replicaOfNode,
} from "../../src/base/index.ts";
import { type Batch, encodeBatch } from "../../src/domain/replication/index.ts";
import { encodeCbor } from "../../src/domain/wire/index.ts";
import type { GroupLog, LogEntry } from "../../src/ports/index.ts";
import {
  type ComparisonState,
  SHARD_LIMITS,
  Shard,
  type ShardLimits,
} from "../../src/runtime/store/index.ts";

const COMMIT_MS = 1;
const TRANSFER_MS = 5;
const MAIN = asGroupId("main");
/** Replicas whose name begins so learn and do not vote. */
const LEARNER_PREFIX = "m";
const LIMITS = {
  ...SHARD_LIMITS,
  checkIntervalMs: 2_000,
  checkGapMinMs: 100,
  checkAnswerMs: 3_000,
  checkDoubtMs: 500,
};

interface Replica {
  readonly node: NodeId;
  readonly disk: MemoryShardDisk;
  readonly host: MemoryHost;
  database: MemoryShardDatabase | null;
  shard: Shard | null;
  /** Entries handed over in this life. */
  given: number;
}

export class ReplicatedShards {
  readonly scheduler = new Scheduler(1);
  /** Error lines of all replicas: "a: message". */
  readonly errors: string[] = [];
  /** Which messages between replicas do not arrive. */
  loses: ((to: string, method: string) => boolean) | null = null;
  readonly #replicas: readonly Replica[];
  readonly #entries: LogEntry[] = [];
  #leader: NodeId;
  #term = 1;
  #requestCount = 0;

  readonly #limits: ShardLimits;

  private constructor(names: readonly string[], limits: Partial<ShardLimits>) {
    this.#limits = { ...LIMITS, ...limits };
    this.#replicas = names.map((name) => ({
      node: asNodeId(name),
      disk: new MemoryShardDisk(),
      host: new MemoryHost(name, this.scheduler),
      database: null,
      shard: null,
      given: 0,
    }));
    this.#leader = asNodeId(names[0] ?? "");
    this.#append("noop", EMPTY_BYTES);
  }

  /** Equal weights; the first one leads. */
  static start(...names: string[]): Promise<ReplicatedShards> {
    return ReplicatedShards.startWith({}, ...names);
  }

  static async startWith(
    limits: Partial<ShardLimits>,
    ...names: string[]
  ): Promise<ReplicatedShards> {
    const shards = new ReplicatedShards(names, limits);
    for (const name of names) await shards.open(name);
    return shards;
  }

  get largestEntryBytes(): number {
    return Math.max(...this.#entries.map(({ payload }) => payload.length));
  }

  get leader(): string {
    return this.#leader;
  }

  /** Starts a replica on what its disk holds. */
  async open(name: string): Promise<void> {
    const replica = this.#replica(name);
    const { disk, host } = replica;
    host.start();
    const timing = { writeMs: () => 0.1, readMs: () => 0.3 };
    const database = new MemoryShardDatabase(disk, host, timing);
    const position = await this.scheduler.settle(database.open());
    replica.database = database;
    replica.given = position.appliedIndex;
    replica.shard = new Shard(this.#options(replica, database), position);
    replica.shard.stateMachine.leadershipChanged(this.#leadership(replica.node));
    this.#feed(replica);
  }

  /** Ends a replica as kill -9 does; what it applied stays on its disk. */
  kill(name: string): void {
    const replica = this.#replica(name);
    replica.shard?.stop();
    replica.host.kill();
    replica.shard = null;
    replica.database = null;
  }

  lead(name: string): void {
    this.#leader = asNodeId(name);
    this.#term++;
    this.#append("noop", EMPTY_BYTES);
    for (const { node, shard } of this.#replicas) {
      shard?.stateMachine.leadershipChanged(this.#leadership(node));
    }
  }

  /** Changes a row behind a replica's back. */
  rot(name: string, key: string, value: string): void {
    this.#replica(name).database?.alter(key, value);
  }

  /** The same for a replica that does not run. */
  rotDisk(name: string, key: string, value: string): void {
    this.#replica(name).disk.alter(key, value);
  }

  /** As the leader's clock has it. */
  wallMs(): number {
    return this.#replica(this.#leader).host.wallMs();
  }

  /** As a leader would. */
  propose(batch: Batch): void {
    this.#append("command", encodeBatch(batch));
  }

  /** A write through the leader: "ok", or the error's code. */
  async write(sql: string): Promise<string> {
    const service = this.#replica(this.#leader).shard?.service;
    if (service === undefined) return "DOWN";
    const statement = { sql, args: [], namedArgs: [], wantRows: true };
    const program = { steps: [{ condition: null, statement }] };
    const id = asRequestId(`request-${++this.#requestCount}`);
    try {
      await this.scheduler.settle(service.write({ id, role: "write", program }));
      return "ok";
    } catch (error) {
      return errorCodeOf(error) ?? String(error);
    }
  }

  /** The first value of a strong read on one replica. */
  async read(name: string, sql: string): Promise<unknown> {
    const service = this.#replica(name).shard?.service;
    if (service === undefined) throw new Error(`${name} is down`);
    const statement = { sql, args: [], namedArgs: [], wantRows: true };
    const program = { steps: [{ condition: null, statement }] };
    const options = { role: "write", consistency: { level: "strong" }, deadlineMs: 1_000 } as const;
    const { steps } = await this.scheduler.settle(service.read(program, options));
    const [outcome] = steps;
    return outcome?.ok === true ? outcome.result.rows[0]?.[0] : outcome?.error.code;
  }

  /** What is committed on each running replica, by its name. */
  images(): string[] {
    return this.#running().map(({ database }) => database.inspect().hash);
  }

  readOnly(): (string | null)[] {
    return this.#running().map(({ shard }) => shard.status().readOnly);
  }

  /** What a replica tells the leader of its digest of an index. */
  report(name: string, index: number): Promise<Uint8Array> {
    const shard = this.#replica(this.#leader).shard;
    if (shard === null) throw new Error("there is no leader");
    const payload = encodeCbor({ index, digest: new Uint8Array(32).fill(7) });
    const answer = shard.handle(asNodeId(name), "store/main/digest-report", payload);
    return this.scheduler.settle(answer);
  }

  /** What the leader finds out about a replica. */
  compare(name: string, occasion = "first"): ComparisonState | undefined {
    return this.#replica(this.#leader).shard?.compare(asNodeId(name), occasion);
  }

  /** What a replica says of another to whoever takes it for the leader. */
  ask(name: string, about: string): Promise<unknown> {
    const shard = this.#replica(name).shard;
    if (shard === null) throw new Error(`${name} is down`);
    const payload = encodeCbor({ node: about });
    return this.scheduler.settle(shard.handle(asNodeId("x"), "store/main/digest-compare", payload));
  }

  /** Lets virtual time pass until it is so. Throws after a minute of it. */
  async until(what: string, isSo: () => boolean): Promise<void> {
    const endMs = this.scheduler.nowMs + 60_000;
    while (!isSo()) {
      if (this.scheduler.nowMs > endMs) throw new Error(`${what}: not within a minute`);
      await this.pass(10);
    }
  }

  async pass(durationMs: number): Promise<void> {
    const passed = new Promise<void>((resolve) => {
      this.scheduler.schedule(durationMs, resolve);
    });
    await this.scheduler.settle(passed, durationMs + 1);
  }

  stop(): void {
    for (const { shard } of this.#replicas) shard?.stop();
  }

  #replica(name: string): Replica {
    const replica = this.#replicas.find(({ node }) => node === name);
    if (replica === undefined) throw new Error(`there is no replica ${name}`);
    return replica;
  }

  #running(): { readonly shard: Shard; readonly database: MemoryShardDatabase }[] {
    return this.#replicas.flatMap(({ shard, database }) =>
      shard === null || database === null ? [] : [{ shard, database }],
    );
  }

  #leadership(node: NodeId) {
    return { term: asTerm(this.#term), leader: this.#leader, ready: node === this.#leader };
  }

  #append(kind: LogEntry["kind"], payload: Uint8Array): LogEntry {
    const index = asLogIndex(this.#entries.length + 1);
    const entry: LogEntry = { index, term: asTerm(this.#term), kind, payload };
    this.#entries.push(entry);
    this.scheduler.schedule(COMMIT_MS, () => {
      for (const replica of this.#replicas) this.#feed(replica);
    });
    return entry;
  }

  #feed(replica: Replica): void {
    if (replica.shard === null) return;
    const entries = this.#entries.slice(replica.given);
    replica.given = this.#entries.length;
    replica.shard.stateMachine.apply(entries);
  }

  #log(node: NodeId): GroupLog {
    return {
      leadership: () => this.#leadership(node),
      propose: (payload) => {
        if (node !== this.#leader) return null;
        const { index, term } = this.#append("command", payload);
        return { index, term };
      },
      readIndex: () => Promise.resolve(asLogIndex(this.#entries.length)),
      metaAt: (index) => ({ index, term: asTerm(this.#term), configuration: EMPTY_BYTES }),
      commitIndex: () => asLogIndex(this.#entries.length),
      compact: () => undefined,
      handOver: () => this.#handOver(node),
      weights: () =>
        new Map(
          this.#replicas
            .filter(({ node }) => !node.startsWith(LEARNER_PREFIX))
            .map((each) => [replicaOfNode(each.node, 0), 4]),
        ),
    };
  }

  #handOver(from: NodeId): void {
    const next = this.#replicas.find(({ node, shard }) => node !== from && shard !== null);
    if (from !== this.#leader || next === undefined) return;
    this.scheduler.schedule(TRANSFER_MS, () => this.lead(next.node));
  }

  #options(replica: Replica, database: MemoryShardDatabase) {
    const { node, host } = replica;
    const others = this.#replicas.filter((each) => each !== replica);
    return {
      shard: MAIN,
      clock: host,
      logger: new MemoryLogger((line) => this.#logged(node, line)),
      metrics: new MemoryMetrics(),
      database,
      log: this.#log(node),
      peers: {
        request: async (to: NodeId, method: string, payload: Uint8Array) => {
          await host.delay(COMMIT_MS);
          if (this.loses?.(to, method) === true) {
            throw new MyceliumError("UNREACHABLE", `what was sent to ${to} is lost`);
          }
          const { shard } = this.#replica(to);
          if (shard === null) throw new MyceliumError("UNREACHABLE", `${to} is down`);
          return shard.handle(node, method, payload);
        },
      },
      authority: {
        node,
        sign: checksum,
        verify: (_author: NodeId, payload: Uint8Array, signature: Uint8Array) =>
          Buffer.compare(checksum(payload), signature) === 0,
        mayWrite: () => true,
      },
      entropy: (sizeBytes: number) => new Uint8Array(sizeBytes),
      replicaNodes: () => others.map((each) => each.node),
      refill: () => "copy" as const,
      quorumUnseenMs: () => 0,
      clockOffMs: () => 0,
      aheadMs: () => 0,
      onApplied: () => undefined,
      onFatal: (error: unknown) => {
        throw error;
      },
      limits: this.#limits,
    };
  }

  #logged(node: NodeId, { level, message }: LogLine): void {
    if (level === "error") this.errors.push(`${node}: ${message}`);
  }
}

function checksum(payload: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha512").update(payload).digest());
}
