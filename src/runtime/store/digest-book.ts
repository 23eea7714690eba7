/** The digests this replica holds: of its last batches, and of tables that were checked. */

import type { LogIndex } from "../../base/index.ts";

/** Digests kept: some seconds of the busiest load, long enough to ask all replicas. */
const KEPT_MAX = 8_192;

export class DigestBook {
  readonly #digests = new Map<LogIndex, Uint8Array>();
  readonly #pending = new Set<LogIndex>();

  get(index: LogIndex): Uint8Array | null {
    return this.#digests.get(index) ?? null;
  }

  record(index: LogIndex, digest: Uint8Array): void {
    this.#digests.set(index, digest);
    if (this.#digests.size <= KEPT_MAX) return;
    for (const oldest of this.#digests.keys()) {
      this.#digests.delete(oldest);
      break;
    }
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
  }
}
