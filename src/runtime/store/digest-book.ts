/** The digests this replica holds: of its last batches, and of tables that were checked. */

import type { LogIndex } from "../../base/index.ts";

/** Digests kept: some seconds of the busiest load, long enough to ask all replicas. */
const KEPT_MAX = 8_192;
/** Those of tables are asked for later than others: batches do not push them out. */
const CHECKS_KEPT_MAX = 64;

export class DigestBook {
  readonly #digests = new Map<LogIndex, Uint8Array>();
  readonly #checks = new Map<LogIndex, Uint8Array>();
  readonly #pending = new Set<LogIndex>();

  get(index: LogIndex): Uint8Array | null {
    return this.#digests.get(index) ?? this.#checks.get(index) ?? null;
  }

  /** Of batches after `from`, the latest first. */
  latest(from: LogIndex, countMax: number): readonly LogIndex[] {
    const after = [...this.#digests.keys()].filter((index) => index > from);
    return after.slice(-countMax).reverse();
  }

  record(index: LogIndex, digest: Uint8Array): void {
    keep(this.#digests, index, digest, KEPT_MAX);
  }

  recordCheck(index: LogIndex, hash: Uint8Array): void {
    keep(this.#checks, index, hash, CHECKS_KEPT_MAX);
  }

  /** A digest that is being made: true from `expect` to `settle`. */
  isExpected(index: LogIndex): boolean {
    return this.#pending.has(index);
  }

  expect(index: LogIndex): void {
    this.#pending.add(index);
  }

  settle(index: LogIndex): void {
    this.#pending.delete(index);
  }

  /** After a fresh copy nothing recorded before counts. */
  forget(): void {
    this.#digests.clear();
    this.#checks.clear();
  }
}

function keep(
  digests: Map<LogIndex, Uint8Array>,
  index: LogIndex,
  digest: Uint8Array,
  countMax: number,
): void {
  digests.set(index, digest);
  if (digests.size <= countMax) return;
  for (const oldest of digests.keys()) {
    digests.delete(oldest);
    break;
  }
}
