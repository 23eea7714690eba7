/**
 * Watches that replicas agree. Every replica keeps the digests of its last batches; one whose digest differs from
 * the leader's reports it, the leader asks all, and truth is the digest held by more than half of all weight.
 * Whoever differs, leader included, fetches a fresh copy. Without such a majority the shard turns read-only.
 */

import {
  equalBytes,
  type LogIndex,
  messageOf,
  type NodeId,
  nodeOfReplica,
  toHex,
} from "../../base/index.ts";
import { encodeCbor } from "../../domain/wire/index.ts";
import type { ShardOptions } from "./options.ts";
import { digestAnswer, digestVerdict, methodOf } from "./rpc.ts";
import type { StoreProblem } from "./store-status.ts";

/** Digests kept: some seconds of the busiest load, long enough to ask all replicas. */
const DIGESTS_KEPT_MAX = 8_192;
const REPORT_RETRY_MS = 1_000;

export interface DigestActions {
  resync(reason: string): void;
  stopWrites(problem: StoreProblem): void;
}

export class DigestWatch {
  readonly #options: ShardOptions;
  readonly #actions: DigestActions;
  readonly #digests = new Map<LogIndex, Uint8Array>();
  #reporting = false;

  constructor(options: ShardOptions, actions: DigestActions) {
    this.#options = options;
    this.#actions = actions;
  }

  record(index: LogIndex, digest: Uint8Array): void {
    this.#digests.set(index, digest);
    if (this.#digests.size <= DIGESTS_KEPT_MAX) return;
    for (const oldest of this.#digests.keys()) {
      this.#digests.delete(oldest);
      break;
    }
  }

  /** This replica's digest of a batch; null when it is not kept. */
  digestAt(index: LogIndex): Uint8Array | null {
    return this.#digests.get(index) ?? null;
  }

  /** After a fresh copy nothing recorded before counts. */
  forget(): void {
    this.#digests.clear();
  }

  compare(index: LogIndex, own: Uint8Array, leaders: Uint8Array): void {
    if (equalBytes(own, leaders)) return;
    this.#options.metrics.count("mycelium_store_digest_mismatches_total");
    this.#options.logger.error("store digest differs from the leader's", {
      shard: this.#options.shard,
      index,
      own: toHex(own),
      leaders: toHex(leaders),
    });
    if (this.#reporting) return;
    this.#reporting = true;
    void this.#report(index, own);
  }

  /** The leader's judgement of a report. True when the reporter must fetch a fresh copy. */
  async judge(index: LogIndex, reporter: NodeId, reported: Uint8Array): Promise<boolean> {
    const own = this.digestAt(index);
    const weights = this.#options.log.weights();
    let total = 0;
    const held = new Map<string, number>();
    for (const [replica, weight] of weights) {
      total += weight;
      const node = nodeOfReplica(replica);
      const digest = node === reporter ? reported : await this.#ask(node, index);
      if (digest !== null) held.set(toHex(digest), (held.get(toHex(digest)) ?? 0) + weight);
    }
    const truth = [...held].find(([, weight]) => weight * 2 > total)?.[0];
    if (truth === undefined) {
      this.#stopWrites(index);
      return false;
    }
    if (own !== null && toHex(own) !== truth) {
      this.#actions.resync(`its digest of log index ${index} differs from the majority's`);
    }
    return toHex(reported) !== truth;
  }

  #stopWrites(index: LogIndex): void {
    this.#actions.stopWrites({
      what: `shard ${this.#options.shard} is read-only`,
      why: `no majority of replicas agrees on the effects of log index ${index}`,
      todo: "compare the replicas, keep the right one, and re-join the others (`mycelium leave --wipe`, then join)",
    });
  }

  async #ask(node: NodeId, index: LogIndex): Promise<Uint8Array | null> {
    const { authority, peers, shard, limits } = this.#options;
    if (node === authority.node) return this.digestAt(index);
    try {
      const method = methodOf(shard, "digest-get");
      const payload = encodeCbor({ index });
      const answer = await peers.request(node, method, payload, limits.forwardTimeoutMs);
      return digestAnswer.decode(answer).digest;
    } catch (error) {
      this.#options.logger.warn("store digest not answered", { node, reason: messageOf(error) });
      return null;
    }
  }

  /** Tells the leader, however often it takes. */
  async #report(index: LogIndex, digest: Uint8Array): Promise<void> {
    const { authority, clock, log } = this.#options;
    while (this.#digests.get(index) === digest) {
      const { leader } = log.leadership();
      if (leader === authority.node) {
        if (await this.judge(index, leader, digest)) this.#actions.resync("its digest differs");
        break;
      }
      const verdict = await this.#sendReport(leader, encodeCbor({ index, digest }));
      if (verdict !== null) {
        if (verdict)
          this.#actions.resync(`its digest of log index ${index} differs from the majority's`);
        break;
      }
      await new Promise<void>((resolve) => clock.after(REPORT_RETRY_MS, resolve));
    }
    this.#reporting = false;
  }

  async #sendReport(leader: NodeId | null, payload: Uint8Array): Promise<boolean | null> {
    if (leader === null) return null;
    const { peers, shard, limits } = this.#options;
    try {
      const method = methodOf(shard, "digest-report");
      const answer = await peers.request(leader, method, payload, limits.forwardTimeoutMs * 2);
      return digestVerdict.decode(answer).resync;
    } catch (error) {
      this.#options.logger.warn("store digest report failed, will retry", {
        reason: messageOf(error),
      });
      return null;
    }
  }
}
