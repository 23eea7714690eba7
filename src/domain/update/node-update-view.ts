/** How far one node is with an update, as it says of itself. */

/**
 * `none`: this process has no slots (it was started without the launcher), so it cannot be updated. `staging`: fetching
 * a core into the standby. `staged`: a core that is newer than the last decision waits in the standby. `draining`: about to
 * be replaced. `trial`: runs, and is not confirmed yet. `idle`: none of these.
 */
export type NodePhase = "none" | "idle" | "staging" | "staged" | "draining" | "trial";

export interface StagingProgress {
  readonly version: string;
  readonly coreSha256: string;
  readonly totalBytes: number;
  /** Verified and on disk, from wherever. */
  readonly doneBytes: number;
  /** Of these: found in the cores that were there already, or left of an earlier try. */
  readonly localBytes: number;
  /** As they came over the network: compressed from the origin, plain from peers. */
  readonly peerBytes: number;
  readonly originBytes: number;
}

export interface NodeUpdateView {
  readonly phase: NodePhase;
  /** The core of this process; its hash is null where it has no slot. */
  readonly running: { readonly version: string; readonly coreSha256: string | null };
  readonly standby: { readonly version: string; readonly coreSha256: string } | null;
  /** The core that was taken back here, and why. */
  readonly refused: { readonly coreSha256: string; readonly reason: string } | null;
  /** Lowest state format that may run here. */
  readonly floor: number;
  /** Of the core that is being fetched, or of the last one that was. */
  readonly staging: StagingProgress | null;
  /** Why the last staging, switch or rollback did not come about; null after one that did. */
  readonly problem: string | null;
}
