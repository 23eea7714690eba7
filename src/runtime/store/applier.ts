/** Brings committed entries into the database, in order: the leader's own batch by COMMIT, all else by execution. */

import { assert, errorCodeOf, type LogIndex, messageOf } from "../../base/index.ts";
import { type Batch, type BundlePart, decodeBatch } from "../../domain/replication/index.ts";
import type { CommittedBatch, LogEntry } from "../../ports/index.ts";
import { ApplyGathering } from "./apply-gathering.ts";
import { requestCountOfCommitted } from "./bundles.ts";
import type { DigestWatch } from "./digest-watch.ts";
import { DISK_PROBLEM, type ShardContext } from "./shard-context.ts";
import type { TableChecks } from "./table-checks.ts";

/** A committed command with what it holds. */
interface Command {
  readonly entry: LogEntry;
  readonly batch: Batch;
}

export class Applier {
  readonly #context: ShardContext;
  readonly #digests: DigestWatch;
  readonly #checks: TableChecks;
  readonly #onForeign: () => void;
  readonly #onCorrupt: (reason: string) => void;
  readonly #onFull: () => void;
  readonly #wake: () => void;
  readonly #gathering: ApplyGathering;
  #committed: LogEntry[] = [];
  #received: LogIndex;

  /** The COMMIT under way, the last one called; resolves however it ends. */
  #committing: Promise<void> | null = null;

  /** `onForeign` ends whatever is open on the database; `onCorrupt` replaces it. */
  constructor(
    context: ShardContext,
    parts: { readonly digests: DigestWatch; readonly checks: TableChecks },
    actions: {
      readonly onForeign: () => void;
      readonly onCorrupt: (reason: string) => void;
      readonly onFull: () => void;
      readonly wake: () => void;
    },
  ) {
    this.#context = context;
    this.#digests = parts.digests;
    this.#checks = parts.checks;
    this.#onForeign = actions.onForeign;
    this.#onCorrupt = actions.onCorrupt;
    this.#onFull = actions.onFull;
    this.#wake = actions.wake;
    this.#gathering = new ApplyGathering(context, actions.wake);
    this.#received = context.applied.value;
  }

  /** The highest entry that consensus handed over. */
  get received(): LogIndex {
    return this.#received;
  }

  get pending(): boolean {
    return this.#committed.length > 0;
  }

  /** Whether what is pending may wait for more. */
  gathers(): boolean {
    return this.#gathering.goesOn(this.#committed);
  }

  push(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      this.#committed.push(entry);
      this.#received = entry.index;
    }
  }

  /** After a snapshot at `index` took the place of the database. */
  skipTo(index: LogIndex): void {
    if (index > this.#received) this.#received = index;
    this.#committed = this.#committed.filter((entry) => entry.index > index);
  }

  /** Applies the first entry, or a row of commands at once. */
  async applyNext(): Promise<void> {
    const entry = this.#committed[0];
    assert(entry !== undefined, "the pump applies nothing");
    if (entry.index <= this.#context.applied.value) {
      this.#committed.shift();
      return;
    }
    const open = this.#context.open;
    const { index, term } = open?.proposal ?? NO_PROPOSAL;
    const isOwn = entry.index === index && entry.term === term;
    if (isOwn && open?.check === null) return this.#commitOpen(entry);
    // What this leader is still committing comes first: it may fail, and is executed again then.
    if (this.#committing !== null) return this.#committing;
    if (isOwn) return this.#commitCheck(entry);
    if (entry.kind !== "command") {
      this.#committed.shift();
      this.#context.applied.advance(entry.index);
      return;
    }
    this.#onForeign();
    await this.#execute(this.#leadingCommands());
  }

  /** The next batch runs meanwhile: the database takes it after this COMMIT, and not at all if that fails. */
  #commitOpen(entry: LogEntry): void {
    const context = this.#context;
    const { open } = context;
    assert(open !== null, "a commit without an open batch");
    context.open = null;
    // A quorum has it on disk, which is what an acknowledgement promises. Strong reads wait for the file.
    context.acknowledgedIndex = entry.index;
    context.pinnedTimeMs = open.timeMs;
    this.#committed.shift();
    const commit = context.options.database.commit(entry.index);
    open.committed();
    const ended = commit.then(
      () => {
        this.#digests.book.record(entry.index, open.digest);
        context.noteApplied(entry.index);
      },
      (error) => {
        // The log has it, the file could not take it: it is executed again, before anything else.
        context.options.logger.warn("store commit failed", { reason: messageOf(error) });
        this.#committed.unshift(entry);
        this.#wake();
      },
    );
    this.#committing = ended;
    void ended.then(() => {
      if (this.#committing === ended) this.#committing = null;
    });
  }

  /** The leader's own check of a table has no transaction open: it is executed as on every other replica. */
  async #commitCheck(entry: LogEntry): Promise<void> {
    const { open } = this.#context;
    assert(open !== null, "a commit without an open batch");
    this.#context.open = null;
    await this.#execute([commandOf(entry)]);
    open.committed();
  }

  /**
   * The committed commands in a row at the head of the queue, as many as are executed at once. A check of a table is
   * the last of them, so that all replicas hash the same state.
   */
  #leadingCommands(): readonly Command[] {
    const { applyCountMax } = this.#context.options.limits;
    const commands: Command[] = [];
    for (const entry of this.#committed) {
      if (entry.kind !== "command" || commands.length >= applyCountMax) break;
      const command = commandOf(entry);
      commands.push(command);
      if (command.batch.check !== null) break;
    }
    return commands;
  }

  /** Executes committed commands and takes them off the queue. */
  async #execute(commands: readonly Command[]): Promise<void> {
    const batches = commands.map((command) => this.#committedBatch(command));
    const digests = await this.#applyPatiently(batches);
    if (digests === null) return;
    this.#committed.splice(0, commands.length);
    commands.forEach(({ entry, batch }, i) => {
      const own = digests[i];
      assert(own !== undefined, "a batch was applied without a digest");
      this.#context.pinnedTimeMs = Math.max(this.#context.pinnedTimeMs, batch.context.timeMs);
      if (batch.check !== null) return;
      this.#digests.book.record(entry.index, own);
      this.#digests.compare(entry.index, own, batch.digest);
    });
    const last = commands.at(-1);
    assert(last !== undefined, "nothing was executed");
    // Before anything else is written, and before others are told that this entry is applied here.
    if (last.batch.check !== null) this.#checks.begin(last.entry.index, last.batch.check);
    this.#context.noteApplied(last.entry.index);
  }

  #committedBatch({ entry, batch }: Command): CommittedBatch {
    const { shard, authority, metrics, logger } = this.#context.options;
    const parts = batch.bundles.flatMap((signed, at): BundlePart[] => {
      const count = requestCountOfCommitted(signed, shard, batch.context.timeMs, authority);
      if (count === null) {
        metrics.count("mycelium_store_void_bundles_total");
        logger.error("store bundle is void", { shard, index: entry.index });
        return [];
      }
      return [{ payload: signed.payload, positions: positionsOf(batch, at, count) }];
    });
    return { index: entry.index, context: batch.context, parts };
  }

  /** Applies, waiting for room on a full disk. Null when the loop stopped or the database is being replaced. */
  async #applyPatiently(batches: readonly CommittedBatch[]): Promise<readonly Uint8Array[] | null> {
    const context = this.#context;
    while (!context.stopped && !context.replacing) {
      try {
        const digests = await context.options.database.apply(batches);
        context.problems.delete(DISK_PROBLEM);
        return digests;
      } catch (error) {
        if (errorCodeOf(error) === "STATE_CORRUPT") {
          this.#onCorrupt(messageOf(error));
          return null;
        }
        if (errorCodeOf(error) !== "DISK_FULL") throw error;
        this.#noteDiskFull();
        await context.pause(context.options.limits.diskRetryMs);
      }
    }
    return null;
  }

  /** Whoever waits for a batch would wait for room: they are told, and come back when they like. */
  #noteDiskFull(): void {
    const { problems, options } = this.#context;
    if (!problems.has(DISK_PROBLEM)) options.log.handOver("the disk is full");
    problems.set(DISK_PROBLEM, {
      what: "the disk is full",
      why: "committed writes cannot be stored here; this node falls behind",
      todo: "free some space: it goes on by itself",
    });
    this.#onFull();
  }
}

const NO_PROPOSAL = { index: null, term: null };

/** Which requests of a bundle are executed; null for all. */
function positionsOf(batch: Batch, bundle: number, count: number): readonly number[] | null {
  if (batch.skipped.length === 0) return null;
  const skipped = new Set(batch.skipped.filter(([at]) => at === bundle).map(([, at]) => at));
  if (skipped.size === 0) return null;
  return Array.from({ length: count }, (_, position) => position).filter(
    (position) => !skipped.has(position),
  );
}

function commandOf(entry: LogEntry): Command {
  return { entry, batch: decodeBatch(entry.payload) };
}
