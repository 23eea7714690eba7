/** A request on its way through a leader's batch, and the bounded queue such requests wait in. */

import { type LogIndex, MyceliumError } from "../../base/index.ts";
import type { BundlePart, Request, SignedBundle } from "../../domain/replication/index.ts";
import type { ProgramResult } from "../../domain/sql/index.ts";

/** A bundle whose signature and author were checked, decoded. */
export interface OpenedBundle {
  readonly signed: SignedBundle;
  readonly requests: readonly Request[];
}

export interface WriteTask {
  readonly bundle: OpenedBundle;
  /** The request's place in its bundle. */
  readonly position: number;
  /** Pinned time when it was queued. */
  readonly queuedAtMs: number;
  /** True once it is known to need a transaction of its own. */
  alone: boolean;
  readonly resolve: (result: ProgramResult) => void;
  /** NOT_LEADER means certainly not applied; OUTCOME_UNKNOWN that it may yet be. */
  readonly reject: (error: MyceliumError) => void;
}

/** Tasks in their order, as parts of their bundles. */
export function partsOfTasks(tasks: readonly WriteTask[]): BundlePart[] {
  const parts: { bundle: OpenedBundle; positions: number[] }[] = [];
  for (const { bundle, position } of tasks) {
    const last = parts.at(-1);
    if (last?.bundle === bundle) last.positions.push(position);
    else parts.push({ bundle, positions: [position] });
  }
  return parts.map(({ bundle, positions }) => ({
    payload: bundle.signed.payload,
    positions: positions.length === bundle.requests.length ? null : positions,
  }));
}

export function notLeader(): MyceliumError {
  return new MyceliumError("NOT_LEADER", "Cannot write here: this node does not lead the shard");
}

export function outcomeUnknown(index: LogIndex | null): MyceliumError {
  const where = index === null ? "" : ` (log index ${index})`;
  return new MyceliumError(
    "OUTCOME_UNKNOWN",
    `Cannot tell whether the write was applied${where}: the leader changed while it was under way; ` +
      "retry it with the same Mycelium-Request-Id, which applies it at most once",
  );
}

export interface TaskLimits {
  readonly countMax: number;
  readonly bytesMax: number;
}

export class TaskQueue {
  #tasks: WriteTask[] = [];
  #bytes = 0;

  get count(): number {
    return this.#tasks.length;
  }

  get sizeBytes(): number {
    return this.#bytes;
  }

  push(tasks: readonly WriteTask[]): void {
    for (const task of tasks) this.#tasks.push(task);
    this.#bytes += weigh(tasks);
  }

  putBack(task: WriteTask): void {
    this.#tasks.unshift(task);
    this.#bytes += weigh([task]);
  }

  /** The next batch in order of arrival: one task that needs to be alone, or as many others as the limits allow. */
  take(limits: TaskLimits): readonly WriteTask[] {
    const first = this.#tasks[0];
    if (first === undefined) return [];
    let count = 1;
    let bytes = weigh([first]);
    while (!first.alone && count < Math.min(limits.countMax, this.#tasks.length)) {
      const next = this.#tasks[count];
      if (next === undefined || next.alone) break;
      bytes += weigh([next]);
      if (bytes > limits.bytesMax) break;
      count++;
    }
    const taken = this.#tasks.splice(0, count);
    this.#bytes -= weigh(taken);
    return taken;
  }

  drain(): readonly WriteTask[] {
    const all = this.#tasks;
    this.#tasks = [];
    this.#bytes = 0;
    return all;
  }
}

/** Each task's share of its bundle's bytes. */
function weigh(tasks: readonly WriteTask[]): number {
  let bytes = 0;
  for (const { bundle } of tasks) {
    bytes += Math.ceil(bundle.signed.payload.length / Math.max(1, bundle.requests.length));
  }
  return bytes;
}
