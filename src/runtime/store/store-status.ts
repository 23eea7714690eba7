/** What a shard says of itself. */

import type { LogIndex } from "../../base/index.ts";

/** A condition people should know of, with what to do about it. */
export interface StoreProblem {
  readonly what: string;
  readonly why: string;
  readonly todo: string;
}

export interface StoreStatus {
  readonly appliedIndex: LogIndex;
  /** Highest entry that consensus handed over. */
  readonly receivedIndex: LogIndex;
  readonly queuedWrites: number;
  readonly openTransactions: number;
  readonly resyncing: boolean;
  /** Why writes are refused; null while they are taken. */
  readonly readOnly: string | null;
  readonly problems: readonly StoreProblem[];
}
