/**
 * The TUF client workflow over an origin and the trusted metadata of this node. Each file is kept as soon as it is
 * trusted, so a refresh that is cut off goes on next time; targets are only looked up in a set that was complete,
 * matched and fresh as a whole. Source: TUF 1.0.34, chapter 5.
 */

import { equalBytes, MyceliumError } from "../../base/index.ts";
import { metadataPath, TrustedMetadata } from "../../domain/update/index.ts";
import type { MetadataStore } from "./metadata-store.ts";
import type { Origin } from "./origin.ts";
import { missing, TufRepository, unlessRefused } from "./tuf-repository.ts";

/** A repository of ours has a few KB of each. Against endless data, and of roots against endless chains. */
const ROOT_SIZE_MAX = 512 * 1_024;
const TIMESTAMP_SIZE_MAX = 16 * 1_024;
const SNAPSHOT_SIZE_MAX = 2 * 1_024 * 1_024;
const NEW_ROOTS_MAX = 256;

export interface TufClientOptions {
  readonly store: MetadataStore;
  /** The root that is trusted without proof: it came with the program or by hand. */
  readonly trustedRoot: Uint8Array;
}

export class TufClient {
  readonly #options: TufClientOptions;

  /** Throws UPDATE_REFUSED (malformed, signatures) when the trusted root is none. */
  constructor(options: TufClientOptions) {
    new TrustedMetadata(options.trustedRoot);
    this.#options = options;
  }

  /**
   * One whole refresh. Throws UPDATE_REFUSED with its reason, TOO_LARGE, UNREACHABLE; what was trusted before stays
   * so. `nowMs` is the time to judge expiry by; one refresh has one time (5.2).
   */
  async refresh(origin: Origin, nowMs: number): Promise<TufRepository> {
    const trusted = this.#start();
    await this.#updateRoot(trusted, origin);
    trusted.requireFreshRoot(nowMs);
    const timestamp = await this.#updateTimestamp(trusted, origin, nowMs);
    const snapshot = await this.#updateSnapshot(trusted, origin, nowMs);
    const repository = new TufRepository(this.#options.store, trusted, origin, nowMs, {
      timestamp,
      snapshot,
    });
    await repository.load("targets", trusted.topDelegator);
    await this.#completeHistory(origin);
    this.#options.store.saveTime(nowMs);
    return repository;
  }

  /** The stored root, where the configured one is in its history; else the configured one, and nothing else. */
  #start(): TrustedMetadata {
    const { store, trustedRoot } = this.#options;
    const configured = new TrustedMetadata(trustedRoot);
    const stored = store.read("root");
    const known = store.readRoot(configured.root.version);
    if (stored !== null && known !== null && equalBytes(known, trustedRoot)) {
      const trusted = unlessRefused(() => new TrustedMetadata(stored));
      if (trusted !== null) return trusted;
    }
    store.clear();
    store.writeRoot(configured.root.version, trustedRoot);
    return configured;
  }

  async #updateRoot(trusted: TrustedMetadata, origin: Origin): Promise<void> {
    const { store } = this.#options;
    for (let count = 0; count < NEW_ROOTS_MAX; count++) {
      const version = trusted.root.version + 1;
      const bytes = await origin.read(metadataPath("root", version), ROOT_SIZE_MAX);
      if (bytes === null) return;
      if (trusted.updateRoot(bytes)) {
        // Before the root is kept: a crash in between forgets these two again.
        store.remove("timestamp");
        store.remove("snapshot");
      }
      store.writeRoot(version, bytes);
    }
  }

  /**
   * Fetches roots older than the first one kept: members whose core carries an older root find their way by them, and
   * so does this node when it goes back to such a core. Each must have been able to name the next one: nobody else
   * could have made it. Not needed for the refresh, so no failure of it.
   */
  async #completeHistory(origin: Origin): Promise<void> {
    const { store } = this.#options;
    let [version = 1] = store.rootVersions();
    let next = store.readRoot(version);
    for (let count = 0; version > 1 && next !== null && count < NEW_ROOTS_MAX; count++) {
      version--;
      const path = metadataPath("root", version);
      const bytes = await origin.read(path, ROOT_SIZE_MAX).catch(nullIfExpected);
      if (bytes === null || !isFollowedBy(bytes, version, next)) return;
      store.writePastRoot(version, bytes);
      next = bytes;
    }
  }

  async #updateTimestamp(
    trusted: TrustedMetadata,
    origin: Origin,
    nowMs: number,
  ): Promise<Uint8Array> {
    const { store } = this.#options;
    const old = store.read("timestamp");
    if (old !== null) unlessRefused(() => trusted.restoreTimestamp(old));
    const path = metadataPath("timestamp", null);
    const bytes = (await origin.read(path, TIMESTAMP_SIZE_MAX)) ?? missing(path, origin);
    if (!trusted.updateTimestamp(bytes, nowMs) && old !== null) return old;
    store.write("timestamp", bytes);
    return bytes;
  }

  async #updateSnapshot(
    trusted: TrustedMetadata,
    origin: Origin,
    nowMs: number,
  ): Promise<Uint8Array> {
    const { store } = this.#options;
    const old = store.read("snapshot");
    if (old !== null && unlessRefused(() => trusted.restoreSnapshot(old, nowMs)) === true)
      return old;
    const { version, length } = trusted.snapshotFile;
    const path = metadataPath("snapshot", trusted.isConsistent ? version : null);
    const bytes = (await origin.read(path, length ?? SNAPSHOT_SIZE_MAX)) ?? missing(path, origin);
    trusted.updateSnapshot(bytes, nowMs);
    store.write("snapshot", bytes);
    return bytes;
  }
}

function nullIfExpected(error: unknown): null {
  if (error instanceof MyceliumError) return null;
  throw error;
}

function isFollowedBy(root: Uint8Array, version: number, next: Uint8Array): boolean {
  const old = unlessRefused(() => new TrustedMetadata(root));
  if (old === null || old.root.version !== version) return false;
  return unlessRefused(() => old.updateRoot(next)) !== null;
}
