/** What a bench asks of each system it measures. Every one syncs to disk before it acknowledges, with three nodes. */

import type { Answer, Target } from "../cluster/http-connection.ts";

export interface Contender {
  readonly name: string;
  /** Starts a cluster in fresh directories; resolves with the time from the first start to the first strong write. */
  start(nodeCount: number): Promise<{ readonly firstWriteMs: number }>;
  /** Where the leader serves clients now. */
  leader(): Promise<Target>;
  /** Where a node that does not lead serves clients. */
  follower(): Promise<Target>;
  /** A write of one fresh 64-byte value. */
  write(unique: string): Buffer;
  /** A strong read of one row; null where it has none. */
  read(): Buffer | null;
  /** A read from the node's own state, without a round to others; null where it has none. */
  localRead(): Buffer | null;
  /** One transaction of `rowCount` rows; null where it has none. */
  writeRows(unique: string, rowCount: number): Buffer | null;
  /** Throws unless the answer acknowledges. */
  check(answer: Answer): void;
  /** kill -9 of the leader; resolves when the signal was sent. */
  killLeader(): Promise<void>;
  /** Starts what was killed again, with its state. */
  restartKilled(): Promise<void>;
  pids(): readonly number[];
  stop(): Promise<void>;
}

export const VALUE_64 = "v".repeat(64);
