/** The leader's side of interactive transactions: one client at a time holds the open batch until its COMMIT. */

import { errorCodeOf, MyceliumError, type NodeId } from "../../base/index.ts";
import type { Batch, SignedBundle } from "../../domain/replication/index.ts";
import {
  encodeProgram,
  type Program,
  type ProgramResult,
  type SqlRole,
} from "../../domain/sql/index.ts";
import { concatPrograms } from "./concat-programs.ts";
import { InteractiveLane, type InteractiveSession, transactionClosed } from "./interactive-lane.ts";
import type { ShardContext } from "./shard-context.ts";
import { notLeader } from "./write-task.ts";

export class InteractiveHost {
  readonly #context: ShardContext;
  readonly #lane: InteractiveLane;
  readonly #wake: () => void;
  readonly #onCorrupt: (reason: string) => void;
  /** True from the transaction's BEGIN on the database until it was proposed or rolled back. */
  #holding = false;
  #seed: Uint8Array = new Uint8Array(16);

  /** `wake` runs the pump: something waits, or the batch is free again. `onCorrupt` replaces the database. */
  constructor(
    context: ShardContext,
    actions: { readonly wake: () => void; readonly onCorrupt: (reason: string) => void },
  ) {
    this.#context = context;
    this.#wake = actions.wake;
    this.#onCorrupt = actions.onCorrupt;
    this.#lane = new InteractiveLane(
      context.options.clock,
      context.options.limits,
      (session, reason) => this.#expire(session, reason),
    );
  }

  /** True while a client holds the open batch. */
  get holding(): boolean {
    return this.#holding;
  }

  get waiting(): boolean {
    return this.#lane.next() !== null;
  }

  get count(): number {
    return this.#lane.waitingCount + (this.#lane.current === null ? 0 : 1);
  }

  /** Another request waits: whoever idles has less time now. */
  contend(): void {
    this.#lane.rearm(true);
  }

  /** Waits for the batch transaction and opens it for one client; resolves with the session's id. */
  async begin(author: NodeId, role: SqlRole): Promise<string> {
    if (!this.#context.leads() || this.#context.hasWrongClock()) throw notLeader();
    if (!this.#context.options.authority.mayWrite(author)) {
      throw new MyceliumError(
        "FORBIDDEN",
        "Cannot begin a transaction: its sender is no validator",
      );
    }
    const session: InteractiveSession = {
      id: Buffer.from(this.#context.options.entropy(16)).toString("hex"),
      author,
      role,
      executed: [],
      state: "waiting",
      busy: false,
      openedAtMs: 0,
      usedAtMs: 0,
      sizeBytes: 0,
    };
    const entered = this.#lane.enter(session);
    this.contend();
    this.#wake();
    await entered;
    return session.id;
  }

  /** The pump's turn for the next in line. */
  async openNext(): Promise<void> {
    const context = this.#context;
    const session = this.#lane.next();
    if (session === null) return;
    const { term } = context.leadership;
    const pinned = context.newBatchContext();
    try {
      await context.options.database.beginInteractive(pinned, session.role);
    } catch (error) {
      return this.#lane.refuseNext(this.#refusalOf(error));
    }
    if (!context.leads(term) || this.#lane.next() !== session) return context.rollback();
    context.pinnedTimeMs = pinned.timeMs;
    this.#seed = pinned.seed;
    this.#holding = true;
    this.#lane.grant();
    this.#lane.rearm(false);
  }

  async step(
    id: string,
    author: NodeId,
    program: Program,
    deadlineMs: number,
  ): Promise<ProgramResult> {
    const session = this.#session(id, author, "open");
    this.#weigh(session, program);
    session.busy = true;
    this.#lane.rearm(false);
    try {
      const result = await this.#onDatabase(session, () =>
        this.#context.options.database.stepInteractive(program, deadlineMs),
      );
      if (this.#lane.current !== session) throw transactionClosed("the leader changed");
      session.executed.push(program);
      if (result.autocommit) session.state = "ended";
      return result;
    } finally {
      session.busy = false;
      session.usedAtMs = this.#context.options.clock.monotonicMs();
      if (this.#lane.current === session) this.#lane.rearm(false);
    }
  }

  /** Replicates an ended transaction: `signed` holds one request with exactly what was executed. */
  async seal(id: string, author: NodeId, signed: SignedBundle): Promise<void> {
    const context = this.#context;
    const session = this.#session(id, author, "ended");
    session.busy = true;
    const { term } = context.leadership;
    try {
      const request = this.#requestOf(session, author, signed);
      const outcome = await this.#onDatabase(session, () =>
        context.options.database.sealInteractive(request),
      );
      if (this.#lane.current !== session || !context.leads(term)) {
        throw transactionClosed("the leader changed");
      }
      if (outcome.outcomes[0]?.kind === "applied") {
        const pinned = { timeMs: context.pinnedTimeMs, seed: this.#seed };
        const { digest } = outcome;
        const batch = { context: pinned, bundles: [signed], skipped: [], digest, check: null };
        return await this.#propose(batch);
      }
    } finally {
      this.#end(session);
    }
    await context.confirmLed();
  }

  close(id: string, author: NodeId): void {
    const session = this.#lane.current;
    if (session?.id === id && session.author === author) this.#end(session);
  }

  /** Ends the open transaction and refuses all who wait. */
  refuseAll(error: MyceliumError): void {
    this.endCurrent();
    this.#lane.refuseAll(error);
  }

  endCurrent(): void {
    const session = this.#lane.current;
    if (session !== null) this.#end(session);
  }

  async #onDatabase<T>(session: InteractiveSession, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (errorCodeOf(error) === "STATE_CORRUPT") this.#end(session);
      throw this.#refusalOf(error);
    }
  }

  /** What the client is told of a failure of this machine, which is acted upon; throws on a bug. */
  #refusalOf(error: unknown): MyceliumError {
    if (!(error instanceof MyceliumError)) throw error;
    if (error.code === "DISK_FULL") this.#context.giveWayForRoom();
    if (error.code !== "STATE_CORRUPT") return error;
    this.#onCorrupt(error.message);
    return notLeader();
  }

  /** Hands the open transaction over from its session to the log. Resolves when it is committed. */
  #propose(batch: Batch): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      if (!this.#context.propose(batch, resolve, reject)) {
        return reject(transactionClosed("the leader changed"));
      }
      this.#holding = false;
      this.#lane.release();
    });
  }

  #requestOf(session: InteractiveSession, author: NodeId, signed: SignedBundle) {
    const { requests } = this.#context.openSubmitted(author, signed);
    const request = requests[0];
    const executed = encodeProgram(concatPrograms(session.executed));
    const same =
      request !== undefined &&
      requests.length === 1 &&
      request.role === session.role &&
      Buffer.compare(encodeProgram(request.program), executed) === 0;
    if (same) return request;
    throw new MyceliumError(
      "FORBIDDEN",
      "Cannot commit: the signed request is not what was executed",
    );
  }

  #session(id: string, author: NodeId, state: "open" | "ended"): InteractiveSession {
    const session = this.#lane.current;
    if (session === null || session.id !== id || session.author !== author) {
      throw transactionClosed("it timed out or the leader changed");
    }
    if (session.busy || session.state !== state) {
      throw new MyceliumError(
        "BAD_ARGUMENT",
        "Cannot use the transaction: another call on it is under way",
      );
    }
    return session;
  }

  /** What is executed interactively must fit one log entry in the end. */
  #weigh(session: InteractiveSession, program: Program): void {
    const { interactiveBytesMax } = this.#context.options.limits;
    session.sizeBytes += encodeProgram(program).length;
    if (session.sizeBytes <= interactiveBytesMax) return;
    this.#end(session);
    throw new MyceliumError(
      "TOO_LARGE",
      `Cannot go on with the transaction: its statements have over ${interactiveBytesMax} bytes; it was rolled ` +
        "back; split it into smaller ones",
    );
  }

  #expire(session: InteractiveSession, reason: string): void {
    if (this.#lane.current !== session) return;
    this.#context.options.logger.info("store interactive transaction rolled back", { reason });
    this.#end(session);
  }

  #end(session: InteractiveSession): void {
    if (this.#lane.current !== session) return;
    this.#holding = false;
    this.#lane.release();
    this.#context.rollback();
    this.#wake();
  }
}
