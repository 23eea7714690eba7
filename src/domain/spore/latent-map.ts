/**
 * The latent spore: the newest record of every node that holds a grant, whether it is there now or not. Merging is
 * commutative and idempotent, so all nodes that hear the same records hold the same map, in whatever order they came.
 */

import { assert, type NodeId } from "../../base/index.ts";
import { isNewer } from "./entry-check.ts";
import type { SignedRecord } from "./node-record.ts";

/** A record not heard of again for this long belongs to a node that may be gone. */
export const RECORD_LIFE_MS = 300_000;

export interface LatentEntry {
  readonly signed: SignedRecord;
  /** When this node last heard from or about it, Unix milliseconds. */
  readonly seenAtMs: number;
}

export class LatentMap {
  readonly #countMax: number;
  readonly #entries = new Map<NodeId, LatentEntry>();

  /** `countMax`, from 1: over it the longest unseen go first. */
  constructor(countMax: number) {
    assert(countMax >= 1, "a latent map holds at least one node");
    this.#countMax = countMax;
  }

  get count(): number {
    return this.#entries.size;
  }

  get(node: NodeId): LatentEntry | null {
    return this.#entries.get(node) ?? null;
  }

  /** By node id. */
  entries(): readonly LatentEntry[] {
    return [...this.#entries.values()].sort((a, b) =>
      a.signed.record.node < b.signed.record.node ? -1 : 1,
    );
  }

  /** Takes a checked record; true when it is newer than what was held. */
  merge(signed: SignedRecord, seenAtMs: number): boolean {
    const { node } = signed.record;
    const held = this.#entries.get(node);
    const newer = held === undefined || isNewer(signed, held.signed);
    this.#entries.set(node, {
      signed: newer ? signed : held.signed,
      seenAtMs: Math.max(seenAtMs, held?.seenAtMs ?? 0),
    });
    if (this.#entries.size > this.#countMax) this.#dropLongestUnseen();
    return newer && this.#entries.has(node);
  }

  /** The node is there, as its link or its unchanged record tells. */
  seen(node: NodeId, seenAtMs: number): void {
    const held = this.#entries.get(node);
    if (held === undefined || held.seenAtMs >= seenAtMs) return;
    this.#entries.set(node, { ...held, seenAtMs });
  }

  /** Forgets a node that was excluded. */
  exclude(node: NodeId): void {
    this.#entries.delete(node);
  }

  // PERF: linear, once for each record that is one too many.
  #dropLongestUnseen(): void {
    let oldest: LatentEntry | null = null;
    for (const entry of this.#entries.values()) {
      if (oldest === null || isLongerUnseen(entry, oldest)) oldest = entry;
    }
    if (oldest !== null) this.#entries.delete(oldest.signed.record.node);
  }
}

function isLongerUnseen(a: LatentEntry, b: LatentEntry): boolean {
  if (a.seenAtMs !== b.seenAtMs) return a.seenAtMs < b.seenAtMs;
  return a.signed.record.node > b.signed.record.node;
}
