/**
 * Engines on Workers, shared by all shards of a node: one writes, one reads, one copies, one hashes; each is started
 * when it is first needed. Those that copy and hash end when they have been idle, the reading one when no shard has
 * its reader open.
 */

import { assert, InvariantError, MyceliumError } from "../../base/index.ts";
import type { Clock, Timer } from "../../ports/index.ts";
import type { EngineHost, EngineThread } from "./engine-host.ts";
import type { EngineCall, EngineCalls } from "./engine-server.ts";
import { type AnswerMessage, type CallMessage, unpackFailure } from "./worker-messages.ts";

/** Longer than between two checkpoints: a thread that starts disturbs writes for some 20 ms. */
const IDLE_MS = 60_000;

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class WorkerHost implements EngineHost {
  readonly #clock: Clock;
  readonly #threads = new Map<EngineThread, WorkerThread>();
  /** Shards whose reader is open. */
  readonly #readers = new Set<string>();
  readonly #idle = new Map<EngineThread, Timer>();
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  call<Name extends EngineCall>(
    thread: EngineThread,
    shard: string,
    name: Name,
    ...args: Parameters<EngineCalls[Name]>
  ): Promise<Awaited<ReturnType<EngineCalls[Name]>>> {
    if (this.#closed) return Promise.reject(closedError());
    const answer = this.#thread(thread).call(shard, name, args);
    if (thread === "copy" || thread === "hash") this.#endWhenIdle(thread);
    if (name === "openReader") this.#readers.add(shard);
    if (name === "closeReader") this.#endReader(shard, answer);
    return answer as Promise<Awaited<ReturnType<EngineCalls[Name]>>>;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#idle.values()) timer.cancel();
    for (const thread of this.#threads.values()) thread.terminate();
    this.#threads.clear();
  }

  #thread(name: EngineThread): WorkerThread {
    const known = this.#threads.get(name);
    if (known !== undefined) return known;
    const thread = new WorkerThread();
    this.#threads.set(name, thread);
    return thread;
  }

  #endReader(shard: string, closed: Promise<unknown>): void {
    this.#readers.delete(shard);
    const end = () => {
      const thread = this.#threads.get("reader");
      if (thread === undefined || thread.isBusy || this.#readers.size > 0) return;
      this.#threads.delete("reader");
      thread.terminate();
    };
    // Its caller is told of a failure; a reader that could not be closed ends with its thread.
    closed.then(end, end);
  }

  #endWhenIdle(name: EngineThread): void {
    this.#idle.get(name)?.cancel();
    const timer = this.#clock.after(IDLE_MS, () => {
      const thread = this.#threads.get(name);
      if (thread === undefined) return;
      if (thread.isBusy) {
        this.#endWhenIdle(name);
        return;
      }
      this.#threads.delete(name);
      thread.terminate();
    });
    this.#idle.set(name, timer);
  }
}

class WorkerThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  /** Called in this turn: they go in one message. */
  #outgoing: CallMessage[] = [];
  /** Set when the Worker has ended: it answers no more. */
  #ended: Error | null = null;

  constructor() {
    this.#worker = startWorker();
    this.#worker.onmessage = ({ data }: MessageEvent<readonly AnswerMessage[]>) => {
      for (const answer of data) this.#settle(answer);
    };
    this.#worker.onerror = (event) => this.#fail(new InvariantError(event.message));
    // The agent decides how long the process lives.
    this.#worker.unref();
  }

  get isBusy(): boolean {
    return this.#waiting.size > 0;
  }

  call(shard: string, name: string, args: readonly unknown[]): Promise<unknown> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    const id = this.#nextId++;
    const message: CallMessage = { id, shard, name, args };
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      if (this.#waiting.size === 1) this.#worker.ref();
      this.#outgoing.push(message);
      if (this.#outgoing.length === 1) queueMicrotask(this.#post);
    });
  }

  terminate(): void {
    this.#fail(closedError());
    this.#worker.terminate();
  }

  readonly #post = (): void => {
    const calls = this.#outgoing;
    this.#outgoing = [];
    if (this.#ended === null) this.#worker.postMessage(calls);
  };

  #settle(answer: AnswerMessage): void {
    const waiting = this.#waiting.get(answer.id);
    assert(waiting !== undefined, "a Worker answered what nobody asked");
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if ("failure" in answer) waiting.reject(unpackFailure(answer.failure));
    else waiting.resolve(answer.value);
  }

  #fail(error: Error): void {
    this.#ended = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

/** A compiled executable keeps its modules by their path below src/, and compiled to .js. */
function startWorker(): Worker {
  if (import.meta.url.startsWith("file:///$bunfs/")) {
    return new Worker(new URL("./adapters/sqlite/sqlite-worker.js", import.meta.url));
  }
  return new Worker(new URL("./sqlite-worker.ts", import.meta.url));
}

function closedError(): MyceliumError {
  return new MyceliumError("CLOSED", "Cannot use the database: the store is closed");
}
