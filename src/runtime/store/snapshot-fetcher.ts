/** Fetches a snapshot from other replicas, chunk by chunk with one chunk asked for ahead, and installs it. */

import { type LogIndex, MyceliumError, messageOf, type NodeId } from "../../base/index.ts";
import { encodeCbor } from "../../domain/wire/index.ts";
import type { ShardPosition, SnapshotInfo } from "../../ports/index.ts";
import type { ShardOptions } from "./options.ts";
import { decodeSnapshotInfo, methodOf } from "./rpc.ts";

export class SnapshotFetcher {
  readonly #options: ShardOptions;

  constructor(options: ShardOptions) {
    this.#options = options;
  }

  /** Tries `sources` first, then every other replica but those to `avoid`. Rejects with UNREACHABLE when none serves. */
  async fetch(
    sources: readonly NodeId[],
    atLeast: LogIndex,
    avoid: readonly NodeId[],
  ): Promise<ShardPosition> {
    const own = this.#options.authority.node;
    const candidates = new Set([...sources, ...this.#options.replicaNodes()]);
    for (const node of [own, ...avoid]) candidates.delete(node);
    const reasons: string[] = [];
    for (const source of candidates) {
      try {
        return await this.#fetchFrom(source, atLeast);
      } catch (error) {
        // Local trouble (disk, bug) is not the source's fault: tell it, another source would not help.
        if (!(error instanceof MyceliumError) || error.code === "DISK_FULL") throw error;
        reasons.push(`${source}: ${messageOf(error)}`);
      }
    }
    throw new MyceliumError(
      "UNREACHABLE",
      `Cannot fetch a snapshot of shard ${this.#options.shard} at ${atLeast}: ` +
        (reasons.length === 0 ? "there is no other replica" : reasons.join("; ")),
    );
  }

  async #fetchFrom(source: NodeId, atLeast: LogIndex): Promise<ShardPosition> {
    const { peers, shard, limits, database, logger } = this.#options;
    const timeoutMs = limits.forwardTimeoutMs;
    const opened = await peers.request(
      source,
      methodOf(shard, "snapshot-open"),
      encodeCbor({ atLeast }),
      timeoutMs * 6,
    );
    const info = decodeSnapshotInfo(opened);
    if (info.meta.index < atLeast) {
      throw new MyceliumError(
        "MALFORMED",
        `Cannot use the snapshot: found index ${info.meta.index}, needed ${atLeast}`,
      );
    }
    const position = await database.installSnapshot(info, this.#readAhead(source, info));
    logger.info("store snapshot installed", {
      shard,
      index: info.meta.index,
      sizeBytes: info.sizeBytes,
    });
    return position;
  }

  /** A sequential reader that asks for the next chunk while the caller stores this one. */
  #readAhead(source: NodeId, info: SnapshotInfo) {
    const { peers, shard, limits } = this.#options;
    const ask = (offset: number, sizeBytes: number): Promise<Uint8Array> => {
      const payload = encodeCbor({ id: info.id, offset, sizeBytes });
      const method = methodOf(shard, "snapshot-read");
      return peers.request(source, method, payload, limits.forwardTimeoutMs * 2);
    };
    let ahead: { offset: number; sizeBytes: number; chunk: Promise<Uint8Array> } | null = null;
    return async (offset: number, sizeBytes: number): Promise<Uint8Array> => {
      const size = Math.min(sizeBytes, limits.snapshotChunkBytes, info.sizeBytes - offset);
      const hit = ahead !== null && ahead.offset === offset && ahead.sizeBytes === size;
      const chunk = await (hit && ahead !== null ? ahead.chunk : ask(offset, size));
      const nextOffset = offset + chunk.length;
      const nextSize = Math.min(sizeBytes, limits.snapshotChunkBytes, info.sizeBytes - nextOffset);
      ahead = null;
      if (nextSize > 0) {
        const next = ask(nextOffset, nextSize);
        next.catch(() => undefined); // Told when it is awaited; unawaited only after an earlier failure.
        ahead = { offset: nextOffset, sizeBytes: nextSize, chunk: next };
      }
      return chunk;
    };
  }
}
