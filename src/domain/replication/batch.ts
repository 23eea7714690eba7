/**
 * What a shard's log carries. A gateway signs the requests it accepted as one bundle; a leader gathers bundles
 * into a batch, executes it, and proposes it with the time and seed it pinned and the digest it got.
 */

import type { GroupId, NodeId, RequestId } from "../../base/index.ts";
import type { Program, SqlRole } from "../sql/index.ts";

/** A client's statements with their id: the unit that is applied exactly once. */
export interface Request {
  readonly id: RequestId;
  readonly role: SqlRole;
  readonly program: Program;
}

/** Requests that one validator accepted for one shard, in order. */
export interface Bundle {
  readonly author: NodeId;
  readonly shard: GroupId;
  /** Hybrid logical time of the author in milliseconds: never falls for one author. */
  readonly hybridTimeMs: number;
  readonly requests: readonly Request[];
}

/** A bundle's exact bytes and its author's Ed25519 signature over them (64 bytes). */
export interface SignedBundle {
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

/** What every replica pins while it executes a batch. */
export interface BatchContext {
  /** Unix milliseconds for 'now' and CURRENT_*; never below the previous batch's. */
  readonly timeMs: number;
  /** Seed of random() and randomblob(), 16 bytes. */
  readonly seed: Uint8Array;
}

/** The payload of a log entry of a shard. */
export interface Batch {
  readonly context: BatchContext;
  readonly bundles: readonly SignedBundle[];
  /** Requests that had no effect on the leader and are not executed: [bundle, request] positions. */
  readonly skipped: readonly (readonly [bundle: number, request: number])[];
  /** The leader's digest of the batch's effects (32 bytes). */
  readonly digest: Uint8Array;
  /** A table whose rows every replica hashes at this index; such a batch has no bundles. Null in all others. */
  readonly check: string | null;
}
