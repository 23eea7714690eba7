/**
 * Nodes that decide on and roll out a release together, in virtual time, over one SQLite database in place of shard
 * `system`. Their slots are make-believe; everything else is what runs.
 */

import {
  MemoryHost,
  MemoryLogger,
  MemoryMetrics,
  Scheduler,
} from "../../../adapters/memory/index.ts";
import { asNetworkId, asRequestId, MyceliumError, type NodeId } from "../../../base/index.ts";
import { type NodeKey, nodeKeyFromSeed } from "../../../domain/identity/index.ts";
import { decisionParticipants } from "../../../domain/trust/index.ts";
import {
  type Comparison,
  mayGoDown,
  type NodeUpdateView,
  type Release,
  releaseDigest,
} from "../../../domain/update/index.ts";
import type { ReleaseSource } from "../../../ports/index.ts";
import { SqliteService } from "../../../ports/testing/sqlite-service.ts";
import { DecisionLoop, DecisionStore } from "../../decision/index.ts";
import type { NodePart } from "../node-part.ts";
import { ReleaseCheck } from "../release-check.ts";
import { ReleaseWatch } from "../release-watch.ts";
import type { RolloutAccess } from "../rollout-access.ts";
import { RolloutLeader, type Surroundings } from "../rollout-leader.ts";
import { RolloutLoop } from "../rollout-loop.ts";
import { RolloutOperator } from "../rollout-operator.ts";
import { RolloutStore } from "../rollout-store.ts";
import { RolloutVoter } from "../rollout-voter.ts";

const NETWORK = asNetworkId("ab".repeat(32));
export const OLD_CORE = "a".repeat(64);
const RESTART_MS = 2_000;
const TRIAL_MS = 5_000;

export function madeRelease(version: string, coreSha256: string, sqlite = "3"): Release {
  const target = {
    version,
    arch: "x64",
    coreSha256,
    coreSizeBytes: 100,
    shippedSha256: "c".repeat(64),
    shippedSizeBytes: 50,
    stateFormat: 1,
    protocol: 1,
    minProtocol: 1,
    sqlite,
    builtAtMs: 0,
  } as const;
  const targets = [target];
  return { version, channel: "stable", notes: "", targets, digest: releaseDigest(targets) };
}

export const RELEASE: Release = madeRelease("0.2.0", "b".repeat(64));

/** One machine: what stays when its process ends, and the process that runs on it now. */
export class NetworkNode implements NodePart {
  readonly key: NodeKey;
  readonly id: NodeId;
  approval: "auto" | "operator" = "auto";
  /** What its own metadata says. */
  releases: readonly Release[] = [RELEASE];
  /** How a core behaves on trial here. */
  isGood = true;
  windowOpen = true;
  isMending = false;
  isUp = true;
  /** Fails the next stagings. */
  stageError: string | null = null;
  switchError: string | null = null;
  switches = 0;
  running = { version: "0.1.0", coreSha256: OLD_CORE };
  standby: { version: string; coreSha256: string } | null = null;
  refused: { coreSha256: string; reason: string } | null = null;
  floor = 0;
  onTrial = false;
  voteFile: Uint8Array | null = null;
  attempted: string | null = null;
  loop!: RolloutLoop;
  decisions!: DecisionLoop;
  operator!: RolloutOperator;
  watch!: ReleaseWatch;
  readonly #network: RolloutNetwork;

  constructor(network: RolloutNetwork, seed: number) {
    this.#network = network;
    this.key = nodeKeyFromSeed(new Uint8Array(32).fill(seed));
    this.id = this.key.nodeId;
  }

  view(): NodeUpdateView {
    const { running, standby, refused, floor } = this;
    const phase = this.onTrial ? "trial" : "idle";
    return { phase, running, standby, refused, floor, staging: null, problem: null };
  }

  async stage(release: Release): Promise<void> {
    if (this.stageError !== null) throw new MyceliumError("UNREACHABLE", this.stageError);
    const [target] = release.targets;
    this.standby = { version: release.version, coreSha256: target?.coreSha256 ?? "" };
  }

  switchOver(): Promise<never> {
    if (this.switchError !== null) {
      return Promise.reject(new MyceliumError("STATE_MISSING", this.switchError));
    }
    const { running, standby } = this;
    if (standby === null) throw new Error("nothing is staged");
    this.switches++;
    if (this.standby?.coreSha256 === this.refused?.coreSha256) this.refused = null;
    this.#network.ends(this);
    this.#network.scheduler.schedule(RESTART_MS, () => {
      this.running = standby;
      this.standby = running;
      this.onTrial = true;
      this.#network.begins(this);
      this.#network.scheduler.schedule(TRIAL_MS, () => this.#prove());
    });
    return new Promise<never>(() => {});
  }

  rollback(): Promise<never> {
    return this.switchOver();
  }

  takeBack(reason: string): Promise<never> {
    if (this.switchError !== null) {
      return Promise.reject(new MyceliumError("STATE_MISSING", this.switchError));
    }
    this.#goBack(reason);
    return new Promise<never>(() => {});
  }

  async finalise(stateFormat: number): Promise<void> {
    this.floor = Math.max(this.floor, stateFormat);
  }

  #prove(): void {
    // It went back before the trial was over.
    if (!this.onTrial) return;
    this.onTrial = false;
    if (this.isGood) this.loop.wake();
    else this.#goBack("its health check failed");
  }

  #goBack(reason: string): void {
    this.onTrial = false;
    this.refused = { coreSha256: this.running.coreSha256, reason };
    const bad = this.running;
    if (this.standby !== null) this.running = this.standby;
    this.standby = bad;
    this.#network.ends(this);
    this.#network.scheduler.schedule(RESTART_MS, () => this.#network.begins(this));
  }
}

export class RolloutNetwork {
  readonly scheduler = new Scheduler(7);
  /** What the shards' leaders say of the canary. */
  comparison: Comparison = { result: "agrees" };
  readonly clock = new MemoryHost("all", this.scheduler);
  readonly sql = new SqliteService(() => this.clock.wallMs());
  readonly nodes: readonly NetworkNode[];
  /** What the channel is at. */
  offered: Release | null = RELEASE;
  leader: NetworkNode;
  readonly downAtOnce: number[] = [];
  #requests = 0;

  constructor(size: number) {
    this.nodes = Array.from({ length: size }, (_, i) => new NetworkNode(this, i + 1));
    this.leader = this.nodes[0] as NetworkNode;
    this.sql.afterWrite = () => {
      for (const node of this.nodes) {
        if (node.isUp) this.scheduler.schedule(1, () => this.#applied(node));
      }
    };
  }

  start(): this {
    for (const node of this.nodes) this.begins(node);
    return this;
  }

  pass(ms: number): void {
    this.scheduler.runUntil(this.scheduler.nowMs + ms);
  }

  /** Runs until the promise is settled. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    this.pass(1_000);
    return await promise;
  }

  plan() {
    return (this.leader.loop.rows() ?? this.nodes[0]?.loop.rows())?.plan;
  }

  versions(): string[] {
    return this.nodes.map(({ running }) => running.version);
  }

  ends(node: NetworkNode): void {
    node.isUp = false;
    node.loop.stop();
    node.decisions.stop();
    node.watch.stop();
    const down = this.nodes.filter(({ isUp }) => !isUp).length;
    this.downAtOnce.push(down);
    if (this.leader === node) this.leader = this.nodes.find(({ isUp }) => isUp) ?? node;
  }

  begins(node: NetworkNode): void {
    node.isUp = true;
    const { clock } = this;
    const store = new RolloutStore(this.#storeOptions);
    node.watch = new ReleaseWatch({
      source: this.#source(node),
      keeper: store,
      metrics: new MemoryMetrics(),
      intervalMs: 60_000,
      nowMs: () => clock.wallMs(),
      onChange: () => node.loop.wake(),
      ...this.#host,
    });
    const voter = new RolloutVoter({
      arch: "x64",
      approval: node.approval,
      release: (version) => node.watch.release(version),
      channelVersion: (asked) => node.watch.channelVersion(asked),
      plan: () => node.loop.rows()?.plan ?? null,
      view: () => node.view(),
      running: () => this.versions(),
    });
    node.decisions = this.#makeDecisions(node, voter);
    const leader = new RolloutLeader({
      store,
      decisions: node.decisions,
      compare: () => this.comparison,
      surroundings: () => this.#surroundings(node),
      running: () => this.versions(),
      ...this.#host,
    });
    node.loop = this.#makeLoop(node, store, leader);
    node.operator = new RolloutOperator({
      store,
      leader,
      decisions: node.decisions,
      voter,
      watch: node.watch,
      clock,
      ownReport: () => node.loop.ownReport(null),
      wake: () => this.#applied(node),
    });
    node.watch.start();
    this.#applied(node);
  }

  get #host() {
    const onFatal = (error: unknown) => this.scheduler.schedule(0, () => Promise.reject(error));
    return { clock: this.clock, logger: new MemoryLogger(() => {}), onFatal };
  }

  get #storeOptions() {
    const newRequestId = () => asRequestId(String(this.#requests++));
    return { sql: this.sql, newRequestId, readDeadlineMs: 1_000 };
  }

  #makeDecisions(node: NetworkNode, voter: RolloutVoter): DecisionLoop {
    return new DecisionLoop({
      network: NETWORK,
      key: node.key,
      store: new DecisionStore(this.#storeOptions),
      voteFile: {
        read: () => node.voteFile,
        write: (content) => {
          node.voteFile = content;
        },
      },
      leads: () => this.leader === node && node.isUp,
      leader: { following: () => null, tell: () => {}, disown: () => {} },
      participants: () => decisionParticipants(this.#members()),
      objection: () => null,
      vote: (opening) => voter.vote(opening),
      onChange: () => node.loop.wake(),
      ...this.#host,
    });
  }

  #makeLoop(node: NetworkNode, access: RolloutAccess, leader: RolloutLeader): RolloutLoop {
    return new RolloutLoop({
      key: node.key,
      arch: "x64",
      sqlite: "3",
      access,
      part: node,
      watch: node.watch,
      check: new ReleaseCheck({
        network: NETWORK,
        arch: "x64",
        hasSource: true,
        release: (version) => node.watch.release(version),
        weights: () =>
          new Map(decisionParticipants(this.#members()).map((one) => [one.node, one.weight])),
      }),
      leader,
      leads: () => this.leader === node && node.isUp,
      proposes: true,
      windowOpen: () => node.windowOpen,
      attempt: {
        read: () => node.attempted,
        record: (plan) => {
          node.attempted = plan;
        },
      },
      isMending: () => node.isMending,
      canBeSpared: () => {
        const { away, groups } = this.#surroundings(node);
        return mayGoDown(groups, away, [node.id]);
      },
      onChange: () => node.decisions.wake(),
      ...this.#host,
    });
  }

  #applied(node: NetworkNode): void {
    if (!node.isUp) return;
    node.decisions.wake();
    node.loop.wake();
  }

  #members(): Map<NodeId, number> {
    return new Map(this.nodes.map(({ id }) => [id, 1]));
  }

  #surroundings(node: NetworkNode): Surroundings {
    const away = new Set(this.nodes.filter(({ isUp }) => !isUp).map(({ id }) => id));
    const voters = this.nodes.map(({ id }) => ({ node: id, weight: 1 }));
    return {
      leader: node.id,
      leaders: new Set([this.leader.id]),
      groups: [{ group: "main", voters }],
      away,
      members: this.nodes.map(({ id }) => id),
      unseenMs: (id) => (away.has(id) ? 100 : 0),
    };
  }

  #source(node: NetworkNode): ReleaseSource {
    const refuse = () => Promise.reject(new MyceliumError("UNREACHABLE", "not here"));
    return {
      refresh: async () => this.offered,
      release: async (version) => node.releases.find((one) => one.version === version) ?? null,
      versions: async () => node.releases.map(({ version }) => version),
      problems: () => [],
      files: async (release) => [
        { path: "metadata/timestamp.json", content: Buffer.from(release.digest) },
      ],
      read: refuse,
      readRange: refuse,
      download: refuse,
      readBeside: refuse,
      discardDownloads: () => Promise.resolve(),
    };
  }
}
