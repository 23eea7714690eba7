/** Serves this replica's state to others: one snapshot at a time, shared by all who ask, dropped when unused. */

import { type LogIndex, MyceliumError } from "../../base/index.ts";
import type { SnapshotInfo, Timer } from "../../ports/index.ts";
import type { ShardOptions } from "./options.ts";
import type { ShardContext } from "./shard-context.ts";

export class SnapshotServer {
  readonly #options: ShardOptions;
  readonly #context: ShardContext;
  readonly #recordApplied: () => Promise<unknown>;
  #current: SnapshotInfo | null = null;
  /** Of which copy of the database the current one is: what was replaced is not handed on. */
  #copy = 0;
  #making: Promise<SnapshotInfo> | null = null;
  #expiry: Timer | null = null;

  /** `recordApplied` has the database know of entries without effect, which it would hear of at a checkpoint. */
  constructor(context: ShardContext, recordApplied: () => Promise<unknown>) {
    this.#recordApplied = recordApplied;
    this.#options = context.options;
    this.#context = context;
  }

  /** A snapshot of index `atLeast` or later. Rejects with UNREACHABLE when this replica is not that far. */
  async open(atLeast: LogIndex): Promise<SnapshotInfo> {
    const { applied, resyncing, replacing } = this.#context;
    if (resyncing || replacing || applied.value === 0) {
      throw new MyceliumError(
        "UNREACHABLE",
        "Cannot serve a snapshot: this replica is itself waiting for one; ask another",
      );
    }
    const isOfThis = this.#copy === this.#context.copyCount;
    if (this.#current !== null && isOfThis && this.#current.meta.index >= atLeast) {
      this.#touch();
      return this.#current;
    }
    if (applied.value < atLeast) {
      throw new MyceliumError(
        "UNREACHABLE",
        `Cannot serve a snapshot: this replica is at ${applied.value}, needed ${atLeast}; ask another`,
      );
    }
    this.#making ??= this.#make().finally(() => {
      this.#making = null;
    });
    return this.#making;
  }

  /** Bytes of a snapshot from `open`. Rejects with CLOSED once it was dropped. */
  async read(id: string, offset: number, sizeBytes: number): Promise<Uint8Array> {
    if (this.#current?.id !== id) {
      throw new MyceliumError("CLOSED", "Cannot read the snapshot: it was dropped; open a new one");
    }
    this.#touch();
    return this.#options.database.readSnapshot(id, offset, sizeBytes);
  }

  async #make(): Promise<SnapshotInfo> {
    await this.#drop();
    this.#copy = this.#context.copyCount;
    await this.#recordApplied();
    const info = await this.#options.database.createSnapshot((index) =>
      this.#options.log.metaAt(index),
    );
    this.#options.metrics.count("mycelium_store_snapshots_total");
    this.#current = info;
    this.#touch();
    return info;
  }

  #touch(): void {
    this.#expiry?.cancel();
    this.#expiry = this.#options.clock.after(this.#options.limits.snapshotKeepMs, () => {
      this.#drop().catch((error) => this.#options.onFatal(error));
    });
  }

  async #drop(): Promise<void> {
    const current = this.#current;
    this.#current = null;
    this.#expiry?.cancel();
    if (current !== null) await this.#options.database.releaseSnapshot(current.id);
  }
}
