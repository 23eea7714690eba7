/**
 * A shard as its users see it, on any replica: writes go to the leader wherever it is, are retried over a change of
 * leader with the same id, and so are applied once; reads are answered here.
 */

import {
  errorCodeOf,
  type LogIndex,
  MyceliumError,
  messageOf,
  type NodeId,
} from "../../base/index.ts";
import type { Request, SignedBundle } from "../../domain/replication/index.ts";
import type { Program, ProgramResult, SqlRole } from "../../domain/sql/index.ts";
import type { ReadOptions, SqlService, SqlTransaction } from "../../ports/index.ts";
import { BundleSigner } from "./bundles.ts";
import { CutOff } from "./cut-off.ts";
import { Forwarder } from "./forwarder.ts";
import { mayHaveRun } from "./may-have-run.ts";
import type { ShardOptions } from "./options.ts";
import { ReadTransaction } from "./read-transaction.ts";
import type { ShardLoop } from "./shard-loop.ts";
import { RemoteLane, WriteTransaction } from "./write-transaction.ts";

/** A local read waits at most so long for what this leader acknowledged last. */
const OWN_WRITES_MS = 50;
/** Pause between tries when no leader is known and none is announced. */
const RETRY_PAUSE_MS = 50;
/** After these a try is repeated. */
const RETRIED = new Set([
  "NOT_LEADER",
  "OVERLOADED",
  "OUTCOME_UNKNOWN",
  "TIMEOUT",
  "UNREACHABLE",
  "CLOSED",
]);

export class ShardRouter implements SqlService {
  readonly #options: ShardOptions;
  readonly #loop: ShardLoop;
  readonly #signer: BundleSigner;
  readonly #forwarder: Forwarder;
  readonly #cutOff: CutOff;

  constructor(options: ShardOptions, loop: ShardLoop) {
    this.#options = options;
    this.#loop = loop;
    this.#signer = new BundleSigner(
      options.authority,
      options.clock,
      options.shard,
      () => loop.context.pinnedTimeMs,
    );
    this.#forwarder = new Forwarder(options, loop, this.#signer);
    this.#cutOff = new CutOff(options, loop.context);
  }

  async write(request: Request): Promise<ProgramResult> {
    this.#requireValidator();
    if (this.#forwarder.pendingCount >= this.#options.limits.queueCountMax) throw overloaded();
    const deadlineMs = this.#options.clock.monotonicMs() + this.#options.limits.retryMs;
    let uncertain = false;
    let last: unknown = null;
    do {
      try {
        return await this.#forwarder.send(request);
      } catch (error) {
        const code = errorCodeOf(error);
        if (code === undefined) throw error;
        // A refusal now says nothing about the tries before it.
        if (!RETRIED.has(code)) throw uncertain ? unknownOutcome(error) : error;
        uncertain ||= mayHaveRun(error);
        last = error;
      }
      await this.#leaderMayHaveChanged();
    } while (this.#mayRetry(deadlineMs));
    throw uncertain ? unknownOutcome(last) : this.#noQuorum(last);
  }

  async read(program: Program, options: ReadOptions): Promise<ProgramResult> {
    const { consistency, role, deadlineMs } = options;
    if (consistency.level === "strong") await this.#strong();
    if (consistency.level === "local") await this.#ownWrites();
    if (consistency.level === "bounded") {
      await this.#loop.context.gate.bounded(consistency.maxStaleMs, this.#options.limits.retryMs);
    }
    const { database } = this.#options;
    return this.#loop.mending(database.query(program, { role, deadlineMs, snapshot: null }));
  }

  async begin(mode: "read" | "write", role: SqlRole): Promise<SqlTransaction> {
    if (mode === "read") {
      await this.#strong();
      const snapshot = await this.#loop.mending(this.#options.database.openSnapshot());
      return new ReadTransaction(this.#options.database, this.#loop, snapshot, role);
    }
    this.#requireValidator();
    return this.#beginWrite(role);
  }

  appliedIndex(): LogIndex {
    return this.#loop.context.applied.value;
  }

  async #beginWrite(role: SqlRole): Promise<SqlTransaction> {
    const deadlineMs = this.#options.clock.monotonicMs() + this.#options.limits.retryMs;
    let last: unknown = null;
    do {
      const { leader } = this.#loop.context.leadership;
      try {
        if (leader !== null) {
          const lane = this.#laneOf(leader);
          const id = await lane.begin(role);
          return new WriteTransaction(this.#options, this.#signer, lane, id, role);
        }
      } catch (error) {
        const code = errorCodeOf(error);
        if (code === undefined || code === "OVERLOADED" || !RETRIED.has(code)) throw error;
        last = error;
      }
      await this.#leaderMayHaveChanged();
    } while (this.#mayRetry(deadlineMs));
    throw this.#noQuorum(last);
  }

  #mayRetry(deadlineMs: number): boolean {
    return this.#options.clock.monotonicMs() < deadlineMs && !this.#cutOff.isCutOff;
  }

  /** Whoever was answered here sees it here: a moment, unless this node cannot apply what it has. */
  #ownWrites(): Promise<void> {
    const { acknowledgedIndex, applied } = this.#loop.context;
    return applied.reached(acknowledgedIndex, OWN_WRITES_MS).catch((error) => {
      if (errorCodeOf(error) !== "NO_QUORUM") throw error;
    });
  }

  #laneOf(leader: NodeId): RemoteLane | ShardLane {
    const here = leader === this.#options.authority.node;
    return here ? new ShardLane(this.#loop, leader) : new RemoteLane(this.#options, leader);
  }

  async #strong(): Promise<void> {
    const { gate } = this.#loop.context;
    try {
      await this.#cutOff.wait((timeoutMs) => gate.strong(timeoutMs));
    } catch (error) {
      throw this.#noQuorum(error);
    }
    // However far it has applied its log, it is known to hold something else than the others.
    if (this.#loop.context.resyncing) throw beingReplaced(this.#options.shard);
  }

  #requireValidator(): void {
    const { node, mayWrite } = this.#options.authority;
    if (mayWrite.call(this.#options.authority, node)) return;
    throw new MyceliumError(
      "READ_ONLY",
      "Cannot write: this node is not a validator, it only reads; send writes to a validator",
    );
  }

  /** Resolves at a change of leadership, or after a short pause. */
  #leaderMayHaveChanged(): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        forget();
        timer.cancel();
        resolve();
      };
      // Without a change for hours, nothing may pile up that waits for one.
      const forget = this.#loop.onLeadership(end);
      const timer = this.#options.clock.after(RETRY_PAUSE_MS, end);
    });
  }

  #noQuorum(cause: unknown): MyceliumError {
    const { leader } = this.#loop.context.leadership;
    const found =
      leader === null
        ? "no leader: fewer than half of the vote weight can be reached from this node"
        : `leader ${leader} did not answer (${messageOf(cause)})`;
    return new MyceliumError(
      "NO_QUORUM",
      `Cannot reach a quorum of shard ${this.#options.shard}: found ${found}; nothing was changed; retry when ` +
        'the network is whole, or read with consistency "local"',
      { cause },
    );
  }
}

/** The leader's interactive lane, on this node. */
class ShardLane {
  readonly #loop: ShardLoop;
  readonly #node: NodeId;

  constructor(loop: ShardLoop, node: NodeId) {
    this.#loop = loop;
    this.#node = node;
  }

  begin(role: SqlRole): Promise<string> {
    return this.#loop.interactive.begin(this.#node, role);
  }

  step(id: string, program: Program, deadlineMs: number): Promise<ProgramResult> {
    return this.#loop.interactive.step(id, this.#node, program, deadlineMs);
  }

  seal(id: string, signed: SignedBundle): Promise<void> {
    return this.#loop.interactive.seal(id, this.#node, signed);
  }

  async close(id: string): Promise<void> {
    this.#loop.interactive.close(id, this.#node);
  }
}

function beingReplaced(shard: string): MyceliumError {
  return new MyceliumError(
    "NO_QUORUM",
    `Cannot read consistently: this node's copy of shard ${shard} is damaged and is being replaced; retry, ask ` +
      'another node, or read with consistency "local"',
  );
}

function overloaded(): MyceliumError {
  return new MyceliumError(
    "OVERLOADED",
    "Cannot accept the write: too many wait here already; retry later",
  );
}

function unknownOutcome(cause: unknown): MyceliumError {
  return new MyceliumError(
    "OUTCOME_UNKNOWN",
    `Cannot tell whether the write was applied: ${messageOf(cause)}; retry it with the same ` +
      "Mycelium-Request-Id, which applies it at most once",
    { cause },
  );
}
