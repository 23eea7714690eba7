/** The network's updates, wired: the decisions on them, the rollout, and what operators do to it. */

import { randomBytes } from "node:crypto";
import type { StateDirectory } from "../adapters/state/index.ts";
import { asRequestId, fromUtf8, MyceliumError, type NodeId, toHex, utf8 } from "../base/index.ts";
import type { Architecture, NodeReport, RolloutPlan } from "../domain/update/index.ts";
import type { ReleaseSource } from "../ports/index.ts";
import { DecisionLoop, DecisionStore } from "../runtime/decision/index.ts";
import {
  type NodePart,
  ReleaseCheck,
  ReleaseWatch,
  RemoteRollout,
  type RolloutAccess,
  RolloutLeader,
  RolloutLoop,
  RolloutOperator,
  RolloutServer,
  RolloutStore,
  RolloutVoter,
} from "../runtime/update/index.ts";
import { CanaryComparison } from "./canary-comparison.ts";
import type { Core } from "./core.ts";
import { SYSTEM } from "./groups.ts";
import { leaderWatch, WITHHELD_METHOD } from "./leader-watch.ts";
import {
  canBeSpared,
  decisionWeights,
  frozenObjection,
  isWindowOpen,
  participants,
  runningVersions,
  surroundings,
} from "./surroundings.ts";

/** How this node voted in decisions, and the plan under which it last switched. */
const VOTES_FILE = "votes";
const ATTEMPT_FILE = "update-attempt";
const ARCH: Architecture = process.arch === "arm64" ? "arm64" : "x64";

/** The rollout as this node reaches it; `store` is null where it holds no replica of `system`. */
export interface RolloutReach {
  readonly store: RolloutStore | null;
  readonly access: RolloutAccess;
}

export function rolloutReach(core: Core): RolloutReach {
  const options = storeOptions(core);
  if (options !== null) {
    const store = new RolloutStore(options);
    return { store, access: store };
  }
  const { grant, links, membership, transport } = core;
  const access = new RemoteRollout(grant.member, {
    request: (to, method, payload, timeoutMs) => transport.request(to, method, payload, timeoutMs),
    validators: () =>
      membership
        .members()
        .filter(({ id, role }) => role === "validator" && links.isUp(id))
        .map(({ id }) => id),
  });
  return { store: null, access };
}

export interface RolloutsOptions {
  readonly core: Core;
  readonly part: NodePart;
  readonly reach: RolloutReach;
  readonly source: ReleaseSource | null;
  /** The members' median of the time. */
  readonly nowMs: () => number;
}

export class Rollouts {
  readonly watch: ReleaseWatch;
  readonly #options: RolloutsOptions;
  readonly #loop: RolloutLoop;
  readonly #decisions: DecisionLoop | null;
  readonly #operator: RolloutOperator | null;
  readonly #server: RolloutServer | null;

  constructor(options: RolloutsOptions) {
    this.#options = options;
    const { core, reach } = options;
    this.watch = this.#makeWatch();
    const voter = this.#makeVoter();
    this.#decisions = this.#makeDecisions(voter);
    const leader = this.#makeLeader();
    this.#loop = this.#makeLoop(leader);
    this.#server = reach.store === null ? null : new RolloutServer(reach.store);
    this.#operator =
      reach.store === null || leader === null || this.#decisions === null
        ? null
        : new RolloutOperator({
            store: reach.store,
            leader,
            decisions: this.#decisions,
            voter,
            watch: this.watch,
            clock: core.host.clock,
            ownReport: () => this.#loop.ownReport(null),
            wake: () => this.wake(),
          });
  }

  /** Once the node serves. */
  start(): void {
    this.watch.start();
    this.wake();
  }

  /** Shard `system`, the members or the links changed. */
  wake(): void {
    this.#decisions?.wake();
    this.#loop.wake();
  }

  stop(): void {
    this.watch.stop();
    this.#decisions?.stop();
    this.#loop.stop();
  }

  serves(method: string): boolean {
    return this.#server?.serves(method) === true || method === WITHHELD_METHOD;
  }

  async handle(from: NodeId, method: string, payload: Uint8Array): Promise<Uint8Array> {
    if (method === WITHHELD_METHOD) {
      this.#decisions?.hear(payload);
      return new Uint8Array(0);
    }
    if (this.#server !== null) return this.#server.handle(from, method, payload);
    throw new MyceliumError("READ_ONLY", "Cannot answer: this node holds no replica of `system`");
  }

  plan(): RolloutPlan | null {
    return this.#loop.rows()?.plan ?? null;
  }

  /** So that `plan` shows what was just changed. */
  refresh(): Promise<void> {
    return this.#loop.refresh();
  }

  /** Versions that members run. */
  running(): readonly string[] {
    return runningVersions(this.#options.core, this.reports());
  }

  /** What nodes last said of themselves; on nodes without `system` this one alone. */
  reports(): ReadonlyMap<NodeId, NodeReport> {
    return this.#loop.reports();
  }

  decision(operation: number) {
    return this.#decisions?.log().decision(operation);
  }

  /** Throws READ_ONLY on nodes that are no validators. */
  operator(): RolloutOperator {
    if (this.#operator !== null) return this.#operator;
    throw new MyceliumError(
      "READ_ONLY",
      "Cannot change the network's updates: this node is no validator; ask one that is",
    );
  }

  #makeWatch(): ReleaseWatch {
    const { core, nowMs, reach, source } = this.#options;
    return new ReleaseWatch({
      source,
      keeper: reach.store,
      intervalMs: core.config.updateCheckIntervalMs,
      nowMs,
      onChange: () => this.wake(),
      ...core.host,
    });
  }

  #makeVoter(): RolloutVoter {
    const { core, part } = this.#options;
    return new RolloutVoter({
      arch: ARCH,
      approval: core.config.updateApproval,
      release: (version) => this.watch.release(version),
      channelVersion: (asked) => this.watch.channelVersion(asked),
      plan: () => this.plan(),
      view: () => part.view(),
      running: () => this.running(),
    });
  }

  #makeDecisions(voter: RolloutVoter): DecisionLoop | null {
    const { core } = this.#options;
    const options = storeOptions(core);
    if (options === null) return null;
    const { directory, state } = core;
    return new DecisionLoop({
      network: state.network.id,
      key: state.key,
      store: new DecisionStore(options),
      voteFile: {
        read: () => directory.read(VOTES_FILE),
        write: (content) => directory.write(VOTES_FILE, content),
      },
      leads: () => this.#leads(),
      leader: leaderWatch(core),
      participants: () => participants(core),
      objection: (frozen, openedAtMs) => frozenObjection(core, frozen, openedAtMs),
      vote: (opening) => voter.vote(opening),
      onChange: () => this.#loop.wake(),
      ...core.host,
    });
  }

  #makeLeader(): RolloutLeader | null {
    const { core, reach } = this.#options;
    if (reach.store === null || this.#decisions === null) return null;
    const comparison = new CanaryComparison(core, () => this.wake());
    return new RolloutLeader({
      store: reach.store,
      decisions: this.#decisions,
      surroundings: () => surroundings(core),
      compare: (node, plan) => comparison.of(node, plan),
      running: () => this.running(),
      ...core.host,
    });
  }

  #makeLoop(leader: RolloutLeader | null): RolloutLoop {
    const { core, part, reach, source } = this.#options;
    return new RolloutLoop({
      key: core.state.key,
      arch: ARCH,
      sqlite: process.versions["sqlite"] ?? "unknown",
      access: reach.access,
      part,
      watch: this.watch,
      check: new ReleaseCheck({
        network: core.state.network.id,
        arch: ARCH,
        hasSource: source !== null,
        release: (version) => this.watch.release(version),
        weights: () => decisionWeights(core),
      }),
      leader,
      leads: () => this.#leads(),
      proposes: source !== null,
      windowOpen: () => isWindowOpen(core),
      attempt: new LastAttempt(core.directory),
      canBeSpared: () => canBeSpared(core),
      isMending: () => core.shards.some(({ shard }) => shard.status().resyncing),
      onChange: () => this.#decisions?.wake(),
      ...core.host,
    });
  }

  #leads(): boolean {
    return this.#options.core.consensus.groupStatus(SYSTEM)?.isReady === true;
  }
}

/** In memory once read: it is asked for in every round. */
class LastAttempt {
  readonly #directory: StateDirectory;
  #plan: string | null;

  constructor(directory: StateDirectory) {
    this.#directory = directory;
    const content = directory.read(ATTEMPT_FILE);
    this.#plan = content === null ? null : fromUtf8(content);
  }

  read(): string | null {
    return this.#plan;
  }

  record(plan: string): void {
    this.#directory.write(ATTEMPT_FILE, utf8(plan));
    this.#plan = plan;
  }
}

function storeOptions({ config, shards }: Core) {
  const system = shards.find(({ id }) => id === SYSTEM);
  if (system === undefined) return null;
  return {
    sql: system.shard.service,
    newRequestId: () => asRequestId(toHex(new Uint8Array(randomBytes(16)))),
    readDeadlineMs: config.readTimeoutMs,
  };
}
