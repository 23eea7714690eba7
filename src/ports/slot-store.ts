/**
 * The two slots of this node's executable. Whatever the moment of a power cut, one of them is whole and the record
 * says which; every promise resolves when what it did is durable.
 */

import type { Chunk, SlotCore } from "../domain/update/index.ts";

export interface SlotsView {
  /** SHA-256 of the core that this process runs. */
  readonly running: string;
  readonly active: SlotCore;
  readonly standby: SlotCore | null;
  readonly state: "confirmed" | "trial";
  readonly trialSinceMs: number;
  readonly floor: number;
  readonly refused: { readonly sha256: string; readonly reason: string } | null;
}

export interface StagedCore extends SlotCore {
  readonly sizeBytes: number;
}

/** A core that is put together in a file of its own. What was written survives any end of the process. */
export interface CoreStaging {
  /** By position in the index: which chunks are there, verified. */
  has(position: number): boolean;
  /** Bytes of chunks that are there, to serve them to a peer; null when some are missing. */
  read(offset: number, sizeBytes: number): Promise<Uint8Array | null>;
  /** False when these bytes are not that chunk; nothing is written then. Throws DISK_FULL. */
  write(position: number, bytes: Uint8Array): Promise<boolean>;
  /** Verifies the whole from the disk and makes it the standby. Throws STATE_CORRUPT when it is not that core. */
  finish(): Promise<void>;
  /** Keeps what is there for the next try. */
  close(): Promise<void>;
}

export interface SlotStore {
  /** Throws STATE_CORRUPT. */
  read(): SlotsView;

  /**
   * Begins or goes on with a core, taking every chunk that the cores on disk have already. Throws DISK_FULL, with
   * figures, before anything is fetched. The old standby gives way when there is no room for three.
   */
  openStaging(core: StagedCore, chunks: readonly Chunk[]): Promise<CoreStaging>;

  /** Makes the core inside a shipped file, which its release has verified, the standby. Throws as a staging does. */
  stageShipped(core: StagedCore, path: string): Promise<void>;

  /** Bytes of a whole core in a slot, to serve them to a peer; null when it has none such, or fewer. */
  readCore(sha256: string, offset: number, sizeBytes: number): Promise<Uint8Array | null>;
  hasCore(sha256: string): boolean;

  /** The standby becomes active, on trial. Throws STATE_MISSING or, below the floor, VERSION_UNSUPPORTED. */
  switchToStandby(nowMs: number): Promise<void>;
  /** The core that runs has proven itself. Nothing when it is not on trial. */
  confirm(): Promise<void>;
  /** Makes the core before active again. False when the record is not on trial any more. */
  revert(reason: string): Promise<boolean>;
  /** The same, also of a core that was confirmed. Throws what `switchToStandby` does. */
  takeBack(reason: string): Promise<void>;
  /** This process was asked to end: on trial, its start is not held against the core. */
  endAsAsked(): Promise<void>;
  /** This process could not become the core it switched to: it goes on as the active one. */
  undoSwitch(reason: string): Promise<void>;
  raiseFloor(stateFormat: number): Promise<void>;
  /** The launcher's file carries the core that runs: the launcher shall not take it for an operator's installation. */
  noteInstalled(): Promise<void>;
}
