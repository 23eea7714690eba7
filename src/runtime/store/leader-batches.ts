/**
 * The leader's batch cycle: gather, run each request in the open transaction, propose with the digest of the
 * effects; COMMIT and replies follow when the log gives the entry back.
 */

import { assert, errorCodeOf, MyceliumError, type NodeId } from "../../base/index.ts";
import type { Batch, BatchContext, SignedBundle } from "../../domain/replication/index.ts";
import type { ProgramResult } from "../../domain/sql/index.ts";
import type { BatchOutcome } from "../../ports/index.ts";
import { BatchGathering } from "./batch-gathering.ts";
import { BUNDLE_AGE_MAX_MS } from "./bundles.ts";
import { DISK_PROBLEM, diskFull, type ShardContext } from "./shard-context.ts";
import {
  notLeader,
  type OpenedBundle,
  partsOfTasks,
  TaskQueue,
  type WriteTask,
} from "./write-task.ts";

/** `openBundle` and the signer leave it at least so much of its life. */
const BUNDLE_WAIT_MAX_MS = BUNDLE_AGE_MAX_MS / 2;

export class LeaderBatches {
  readonly #context: ShardContext;
  readonly #queue = new TaskQueue();
  readonly gathering: BatchGathering;
  readonly #onCorrupt: (reason: string) => void;
  readonly #atGateway: () => number;

  /** `atGateway`: how many writes wait there. */
  constructor(context: ShardContext, onCorrupt: (reason: string) => void, atGateway: () => number) {
    this.#context = context;
    this.gathering = new BatchGathering(context);
    this.#onCorrupt = onCorrupt;
    this.#atGateway = atGateway;
  }

  get queuedCount(): number {
    return this.#queue.count;
  }

  /** Writes that are here and in no batch. */
  get waitingCount(): number {
    return this.#queue.count + this.#atGateway();
  }

  /** Queues each request of another node's bundle. Throws what `openBundle` and the queue's limits refuse. */
  submit(from: NodeId, signed: SignedBundle): Promise<ProgramResult>[] {
    return this.submitOpened(this.#context.openSubmitted(from, signed));
  }

  /** Queues each request of a bundle that was checked, or that this node signed itself just now. */
  submitOpened(bundle: OpenedBundle): Promise<ProgramResult>[] {
    if (!this.#context.leads() || this.#context.hasWrongClock()) throw notLeader();
    if (this.#context.problems.has(DISK_PROBLEM)) throw diskFull();
    const { queueCountMax, queueBytesMax } = this.#context.options.limits;
    if (this.#queue.count >= queueCountMax || this.#queue.sizeBytes >= queueBytesMax) {
      throw new MyceliumError(
        "OVERLOADED",
        `Cannot accept the write: ${this.#queue.count} others wait already; retry later`,
      );
    }
    const queuedAtMs = this.#context.nowPinnedMs();
    const results = bundle.requests.map(
      (_, position) =>
        new Promise<ProgramResult>((resolve, reject) => {
          this.#queue.push([{ bundle, position, queuedAtMs, alone: false, resolve, reject }]);
        }),
    );
    this.gathering.arrived(this.waitingCount);
    return results;
  }

  /** Refuses all that waits. */
  refuseAll(error: MyceliumError): void {
    for (const task of this.#queue.drain()) task.reject(error);
  }

  /** Runs the next batch as far as its proposal. */
  async run(): Promise<void> {
    const context = this.#context;
    const { database, limits, metrics } = context.options;
    const { term } = context.leadership;
    const pinned = context.newBatchContext();
    const limit = { countMax: limits.batchCountMax, bytesMax: limits.batchBytesMax };
    const tasks = this.#queue.take(limit).filter((task) => isCurrent(task, pinned));
    this.gathering.took(tasks.length);
    if (tasks.length === 0) return;
    let outcome: BatchOutcome;
    try {
      outcome = await database.runBatch(pinned, partsOfTasks(tasks), {
        alone: tasks[0]?.alone === true,
        deadlineMs: limits.writeDeadlineMs,
      });
    } catch (error) {
      return this.#failed(tasks, error);
    }
    metrics.count("mycelium_store_batches_total");
    if (context.leads(term)) return this.#finish(tasks, pinned, outcome);
    context.rollback();
    for (const task of tasks) task.reject(notLeader());
  }

  #finish(tasks: readonly WriteTask[], pinned: BatchContext, outcome: BatchOutcome): void {
    const { ended, applied } = this.#sort(tasks, outcome);
    if (ended.some(({ result }) => isForLackOfRoom(result))) this.#context.giveWayForRoom();
    const reply = () => {
      this.gathering.answered(this.waitingCount);
      for (const { task, result } of ended) task.resolve(result);
    };
    const refuse = (error: MyceliumError) => {
      for (const { task } of ended) task.reject(error);
    };
    if (applied.length === 0) {
      this.#context.rollback();
      // Nothing changed, but the answers rest on what was read: a deposed leader may not give them.
      this.#context.confirmLed().then(reply, refuse);
      return;
    }
    const { digest } = outcome;
    const batch = { context: pinned, digest, check: null, ...bundlesOf(applied) };
    try {
      if (this.#context.propose(batch, reply, refuse)) return;
      this.#context.rollback();
      refuse(notLeader());
    } catch (error) {
      // A bundle from elsewhere that no log entry holds: it is its author's fault, and nobody else's.
      if (errorCodeOf(error) !== "TOO_LARGE") throw error;
      this.#context.rollback();
      refuse(error as MyceliumError);
    }
  }

  /** What has ended, what of it goes into the log; what must be alone goes back to the queue's head, in order. */
  #sort(tasks: readonly WriteTask[], outcome: BatchOutcome) {
    const ended: { task: WriteTask; result: ProgramResult }[] = [];
    const applied: WriteTask[] = [];
    const alone: WriteTask[] = [];
    tasks.forEach((task, i) => {
      const one = outcome.outcomes[i];
      assert(one !== undefined, "a request ran without an outcome");
      if (one.kind === "alone") alone.push(task);
      else ended.push({ task, result: one.result });
      if (one.kind === "applied") applied.push(task);
    });
    for (const task of alone.reverse()) {
      task.alone = true;
      this.#queue.putBack(task);
    }
    return { ended, applied };
  }

  #failed(tasks: readonly WriteTask[], error: unknown): void {
    const code = errorCodeOf(error);
    if (!(error instanceof MyceliumError) || (code !== "STATE_CORRUPT" && code !== "DISK_FULL")) {
      throw error;
    }
    for (const task of tasks) task.reject(code === "DISK_FULL" ? error : notLeader());
    this.#context.rollback();
    if (code === "STATE_CORRUPT") this.#onCorrupt(error.message);
    if (code === "DISK_FULL") this.#context.giveWayForRoom();
  }
}

/**
 * False, and its author is told to sign it again, when the clock was set forward while it waited: other replicas
 * would take its bundle for a replay and not execute what this leader acknowledges.
 */
function isCurrent(task: WriteTask, { timeMs }: BatchContext): boolean {
  if (timeMs - task.queuedAtMs <= BUNDLE_WAIT_MAX_MS) return true;
  task.reject(notLeader());
  return false;
}

function isForLackOfRoom({ steps }: ProgramResult): boolean {
  return steps.some((step) => step?.ok === false && step.error.code === "SQLITE_FULL");
}

/** The bundles that hold the applied tasks, in order, and which of their other requests are skipped. */
function bundlesOf(applied: readonly WriteTask[]): Pick<Batch, "bundles" | "skipped"> {
  const bundles = new Map<OpenedBundle, Set<number>>();
  for (const { bundle, position } of applied) {
    bundles.set(bundle, (bundles.get(bundle) ?? new Set()).add(position));
  }
  const skipped: (readonly [number, number])[] = [];
  [...bundles].forEach(([bundle, positions], at) => {
    bundle.requests.forEach((_, position) => {
      if (!positions.has(position)) skipped.push([at, position]);
    });
  });
  return { bundles: [...bundles.keys()].map((bundle) => bundle.signed), skipped };
}
