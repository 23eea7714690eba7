/**
 * Where signed releases come from: the network's own store first, then the configured URL. Everything it returns was
 * checked by TUF (sizes, hashes, signatures, versions, expiry), but for ranges, which the caller checks by hash.
 */

import type { MyceliumError } from "../base/index.ts";
import type { Release } from "../domain/update/index.ts";

/** A small file of the release directory, by its path there ("metadata/timestamp.json", "targets/...", ...). */
export interface ReleaseFile {
  readonly path: string;
  readonly content: Uint8Array;
}

/** An origin that gave nothing in the last refresh, or something that was refused. */
export interface OriginProblem {
  readonly origin: string;
  /** UNREACHABLE, UPDATE_REFUSED, TOO_LARGE. */
  readonly error: MyceliumError;
}

export interface ReleaseSource {
  /**
   * Asks every origin and returns what the channel is at; null where it names nothing yet. `nowMs` is the members'
   * median of the time; saved time and build time raise it. Throws UPDATE_REFUSED with the reason when no origin has
   * acceptable metadata, and UNREACHABLE when none answers.
   */
  refresh(nowMs: number): Promise<Release | null>;

  /** A release that the metadata of the last refresh names, whatever the channel is at; null when it does not. */
  release(version: string): Promise<Release | null>;

  /** All versions that the metadata of the last refresh names, in no order. */
  versions(): Promise<readonly string[]>;

  /** Of the last refresh; an origin that only lags behind is none. */
  problems(): readonly OriginProblem[];

  /**
   * What another node needs to check the same release itself: the metadata, the channel file and the chunk indexes of
   * the release.
   */
  files(release: Release): Promise<readonly ReleaseFile[]>;

  /** A target as a whole, checked. Throws UPDATE_REFUSED, UNREACHABLE, TOO_LARGE over `sizeBytesMax`. */
  read(target: string, sizeBytesMax: number): Promise<Uint8Array>;

  /** Bytes of a target from the URL, not checked: the target's hash covers the whole. Exactly `sizeBytes` long. */
  readRange(target: string, offset: number, sizeBytes: number): Promise<Uint8Array>;

  /** A small file of the release directory that is no target (SHA256SUMS); not checked. Throws as `read` does. */
  readBeside(path: string, sizeBytesMax: number): Promise<Uint8Array>;

  /**
   * Fetches a target into a file of the state directory and returns its path. What an earlier call left half done is
   * gone on with; the file is checked as it lies on the disk, after it was synced. `progress` is told the bytes there.
   */
  download(target: string, progress?: (sizeBytes: number) => void): Promise<string>;

  /** Removes what `download` fetched: the file was used, or is not wanted any more. */
  discardDownloads(): Promise<void>;
}
