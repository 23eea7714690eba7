/**
 * Validators that decide, under one seed: the real decision loop over the real consensus, on the ports in memory. In
 * the store's place stands the smallest state machine that keeps the log of decisions, so that a leader can be made to
 * lie about it.
 */

import {
  MemoryHost,
  MemoryLogDisk,
  MemoryLogger,
  MemoryLogStore,
  MemoryMetrics,
  MemoryNetwork,
  MemoryTransport,
  Scheduler,
} from "../../src/adapters/memory/index.ts";
import {
  asGroupId,
  asLogIndex,
  asNetworkId,
  asTerm,
  EMPTY_BYTES,
  MyceliumError,
  type NodeId,
  replicaOfNode,
} from "../../src/base/index.ts";
import { type NodeKey, nodeKeyFromSeed } from "../../src/domain/identity/index.ts";
import { makeConfiguration } from "../../src/domain/raft/index.ts";
import { decisionParticipants } from "../../src/domain/trust/index.ts";
import {
  bytes,
  decodeCbor,
  encodeCbor,
  integer,
  mapped,
  object,
  text,
} from "../../src/domain/wire/index.ts";
import type { GroupLog, LogEntry, StateMachine } from "../../src/ports/index.ts";
import { CONSENSUS_SETTINGS, Consensus } from "../../src/runtime/consensus/index.ts";
import type {
  SequencedStatement,
  StatementRow,
} from "../../src/runtime/decision/decision-store.ts";
import { DecisionLoop } from "../../src/runtime/decision/index.ts";

export const NETWORK = asNetworkId("ab".repeat(32));
export const VALUE = "cd".repeat(32);
const GROUP = asGroupId("system");
const TIMES = { commitMs: 600_000, revealMs: 30_000 };
const WITHHELD = "withheld";
const ADD = "add";
const NOTHING = { payload: EMPTY_BYTES, signature: EMPTY_BYTES };
/** In a busy network its leader writes so often, whatever becomes of decisions. */
const OTHER_WRITES_MS = 250;

const rowShape = object({
  atMs: mapped(
    (value: unknown) => (typeof value === "bigint" ? Number(value) : value),
    (value, path) => integer()(value, path),
  ),
  operation: integer(),
  author: text(64),
  type: text(16),
  payload: bytes(65_536),
  signature: bytes(64),
});

/** The log of decisions as one replica has applied it. */
class Records implements StateMachine {
  readonly log: GroupLog;
  readonly rows: (StatementRow & SequencedStatement)[] = [];
  readonly #onChange: () => void;
  #applied = asLogIndex(0);

  constructor(log: GroupLog, onChange: () => void) {
    this.log = log;
    this.#onChange = onChange;
  }

  apply(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      this.#applied = entry.index;
      if (entry.kind === "command" && entry.payload.length > 0) this.#take(entry.payload);
    }
    this.#onChange();
  }

  appliedIndex = () => this.#applied;
  leadershipChanged = () => undefined;
  installSnapshot = () => Promise.reject(new MyceliumError("UNREACHABLE", "logs are not cut here"));

  #take(encoded: Uint8Array): void {
    const { atMs, payload, signature, ...row } = rowShape(decodeCbor(encoded), "a row");
    const isUsed = row.type === "open" && this.rows.some((one) => one.operation >= row.operation);
    const same = (one: StatementRow) => Buffer.compare(one.part.payload, payload) === 0;
    if (isUsed || (row.type !== "deadline" && row.type !== "close" && this.rows.some(same))) return;
    this.rows.push({ ...row, part: { payload, signature }, seq: this.rows.length + 1, atMs });
  }
}

export class Validator {
  readonly key: NodeKey;
  readonly host: MemoryHost;
  readonly consensus: Consensus;
  readonly transport: MemoryTransport;
  loop: DecisionLoop | null = null;
  records: Records | null = null;
  /** Whose statements it drops while it leads, and says that it wrote them. */
  withholds: NodeId | null = null;
  #votes: Uint8Array | null = null;
  readonly #network: DecisionNetwork;

  constructor(network: DecisionNetwork, key: NodeKey) {
    this.#network = network;
    this.key = key;
    const { scheduler } = network;
    this.host = new MemoryHost(key.nodeId, scheduler);
    this.host.start();
    const syncMs = () => 0.2 + scheduler.random.float() * 3;
    this.transport = new MemoryTransport({
      network: network.links,
      host: this.host,
      hello: helloOf(key.nodeId),
    });
    this.consensus = new Consensus({
      node: key.nodeId,
      clock: this.host,
      random: scheduler.random.fork(),
      logStore: new MemoryLogStore(new MemoryLogDisk(), this.host, { syncMs }),
      transport: this.transport,
      logger: new MemoryLogger(() => undefined),
      metrics: new MemoryMetrics(),
      settings: CONSENSUS_SETTINGS,
      onFailure: (error) => network.failed(error),
    });
  }

  get node(): NodeId {
    return this.key.nodeId;
  }

  get leads(): boolean {
    return this.consensus.groupStatus(GROUP)?.isReady === true;
  }

  get term(): number {
    return this.consensus.groupStatus(GROUP)?.term ?? 0;
  }

  decision() {
    return this.loop?.log().decision(1);
  }

  open(): Promise<number> {
    if (this.loop === null) throw new Error("not started");
    return this.loop.open("release", "0.2.0", TIMES);
  }

  /** To all others, as its own word. */
  tell(payload: Uint8Array): void {
    for (const { node } of this.#network.validators) {
      if (node === this.node) continue;
      this.transport.request(node, WITHHELD, payload, 2_000).catch(() => undefined);
    }
  }

  async start(): Promise<void> {
    const { validators } = this.#network;
    const nodes = validators.map(({ node }) => node);
    const voters = nodes.map((node) => ({ replica: replicaOfNode(node, 0), weight: 1 }));
    await this.consensus.start();
    await this.consensus.bootstrap(GROUP, makeConfiguration({ voters }));
    await this.consensus.open({
      group: GROUP,
      replica: replicaOfNode(this.node, 0),
      installed: null,
      makeStateMachine: (log) => {
        this.records = new Records(log, () => this.loop?.wake());
        return this.records;
      },
    });
    await this.transport.start({
      admit: () => ({ ok: true }),
      linkUp: () => undefined,
      linkDown: (node) => this.consensus.linkDown(node),
      message: (from, _channel, payload) => this.consensus.receive(from, payload),
      request: async (_from, method, payload) => {
        if (method === ADD) this.#propose(payload);
        else this.loop?.hear(payload);
        return EMPTY_BYTES;
      },
    });
    this.transport.setPeers(nodes.map((node) => ({ node, addresses: [] })));
    this.loop = this.#makeLoop();
    if (this.#network.isBusy) this.#writeOthers();
  }

  #makeLoop(): DecisionLoop {
    const { host, key } = this;
    return new DecisionLoop({
      network: NETWORK,
      key,
      store: {
        makeTable: async () => undefined,
        after: async (seq) => this.records?.rows.slice(seq) ?? null,
        add: (row) => this.#add(row),
        touch: () => this.#add({ operation: 0, author: this.node, type: "none", part: NOTHING }),
        open: async (row) => {
          await this.#add(row);
          return true;
        },
      },
      voteFile: {
        read: () => this.#votes,
        write: (content) => {
          this.#votes = content;
        },
      },
      clock: host,
      logger: new MemoryLogger(() => undefined),
      leads: () => this.leads,
      leader: {
        following: () => this.#following(),
        tell: (payload) => this.tell(payload),
        disown: (term, reason) => this.consensus.disown(GROUP, asTerm(term), reason),
      },
      participants: () =>
        decisionParticipants(new Map(this.#network.validators.map(({ node }) => [node, 1]))),
      objection: () => null,
      vote: async () => ({ value: VALUE, reason: "" }),
      onChange: () => undefined,
      onFatal: (error) => this.#network.failed(error),
    });
  }

  #following() {
    const status = this.consensus.groupStatus(GROUP);
    if (status === null || status.leader === null || status.leader === this.node) return null;
    const { appliedIndex, commitIndex, leader, term } = status;
    return { leader, term, commitIndex, appliedIndex };
  }

  async #add({ operation, author, type, part }: StatementRow): Promise<void> {
    const leader = this.consensus.groupStatus(GROUP)?.leader ?? null;
    const atMs = Math.round(this.host.wallMs());
    const row = encodeCbor({ atMs, operation, author, type, ...part });
    if (leader === null) throw new MyceliumError("NO_QUORUM", "no leader");
    if (leader === this.node) this.#propose(row);
    else await this.transport.request(leader, ADD, row, 2_000);
  }

  #propose(row: Uint8Array): void {
    const isDropped = rowShape(decodeCbor(row), "a row").author === this.withholds;
    if (!isDropped) this.records?.log.propose(row);
  }

  #writeOthers(): void {
    if (this.leads) this.records?.log.propose(EMPTY_BYTES);
    this.host.after(OTHER_WRITES_MS, () => this.#writeOthers());
  }
}

export class DecisionNetwork {
  readonly scheduler: Scheduler;
  readonly links: MemoryNetwork;
  readonly validators: readonly Validator[];
  /** Whether anything is written but what decisions need. */
  readonly isBusy: boolean;
  failure: unknown = null;

  constructor(seed: number, count: number) {
    this.scheduler = new Scheduler(seed);
    this.isBusy = seed % 3 > 0;
    this.links = new MemoryNetwork(this.scheduler);
    [this.links.delayMinMs, this.links.delayMaxMs] = [0.1, seed % 2 === 0 ? 3 : 40];
    this.validators = Array.from(
      { length: count },
      (_, i) => new Validator(this, nodeKeyFromSeed(new Uint8Array(32).fill(i + 1))),
    );
    for (const validator of this.validators) {
      validator.start().catch((error) => this.failed(error));
    }
  }

  failed(error: unknown): void {
    this.failure ??= error;
  }

  get leader(): Validator | null {
    return this.validators.find(({ leads }) => leads) ?? null;
  }

  /** Lets virtual time pass until it holds; false when it never did. */
  until(holds: () => boolean, limitMs = 60_000): boolean {
    const endMs = this.scheduler.nowMs + limitMs;
    while (!holds() && this.failure === null && this.scheduler.nowMs < endMs) {
      this.scheduler.step(endMs);
    }
    if (this.failure !== null) throw this.failure;
    return holds();
  }

  pass(ms: number): void {
    this.until(() => false, ms);
  }
}

function helloOf(node: NodeId) {
  return {
    node,
    instance: node,
    protocolVersion: "1.0.0",
    minProtocolVersion: "1.0.0",
    features: [],
    grant: EMPTY_BYTES,
    wallMs: 0,
    addresses: [],
  };
}
