/** What waits to be written, and how it changes the stream view of the groups. */

import type { HardState, LogEntry, SnapshotMeta } from "../../ports/index.ts";
import type { GroupStream } from "./logged-group.ts";
import type { Position } from "./position-list.ts";

export interface StreamWrite {
  readonly stream: GroupStream;
  readonly hardState: HardState | null;
  readonly entries: readonly LogEntry[];
}

export interface Move {
  readonly stream: GroupStream;
  readonly index: number;
  readonly from: Position;
}

export type Change =
  | { readonly kind: "write"; readonly writes: readonly StreamWrite[] }
  | { readonly kind: "create"; readonly stream: GroupStream }
  | {
      readonly kind: "compact" | "reset";
      readonly stream: GroupStream;
      readonly snapshot: SnapshotMeta;
    }
  | { readonly kind: "remove"; readonly stream: GroupStream }
  /** Copies entries that keep an old segment alive to the end of the stream. */
  | { readonly kind: "move"; readonly moves: readonly Move[] };

export class Operation {
  readonly change: Change;
  /** Of payloads. */
  readonly sizeBytes: number;
  readonly promise: Promise<void>;
  readonly #settle: { resolve: () => void; reject: (error: unknown) => void };

  constructor(change: Change, sizeBytes: number) {
    this.change = change;
    this.sizeBytes = sizeBytes;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.promise = promise;
    this.#settle = { resolve, reject };
  }

  get isWrite(): boolean {
    return this.change.kind === "write";
  }

  resolve(): void {
    this.#settle.resolve();
  }

  reject(error: unknown): void {
    this.#settle.reject(error);
  }
}
