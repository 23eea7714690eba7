/**
 * Releases by TUF, from the network's own store and from the configured URL or directory. Every origin is checked in
 * full against the same trusted metadata; the newest repository that passed is the one that is read.
 */

import path from "node:path";
import { MyceliumError } from "../../base/index.ts";
import {
  ARCHITECTURES,
  CHANNEL_FILE_SIZE_MAX,
  CHUNK_INDEX_SIZE_MAX,
  type Channel,
  type ChannelFile,
  channelTargetName,
  type Release,
  readChannelFile,
  readRelease,
  requireFile,
  type TargetFile,
  targetDigest,
  targetNames,
  targetPath,
  tufReasonOf,
  tufRefusal,
  versionOfTarget,
} from "../../domain/update/index.ts";
import type { OriginProblem, ReleaseFile, ReleaseSource } from "../../ports/index.ts";
import { fromFirst, worstOf } from "./from-first.ts";
import { MetadataStore } from "./metadata-store.ts";
import { collect, type Origin } from "./origin.ts";
import { notThere, TargetDownloads, type WantedFile } from "./target-downloads.ts";
import { TufClient } from "./tuf-client.ts";
import type { TufRepository } from "./tuf-repository.ts";

export interface TufReleaseSourceOptions {
  /** For trusted metadata and downloads: STATE/update. */
  readonly directory: string;
  readonly channel: Channel;
  /** root.json to start with. */
  readonly trustedRoot: Uint8Array;
  /** Unix milliseconds; no time is before it. */
  readonly builtAtMs: number;
  /** At least one, in the order in which they are asked. */
  readonly origins: readonly Origin[];
}

export class TufReleaseSource implements ReleaseSource {
  readonly #options: TufReleaseSourceOptions;
  readonly #store: MetadataStore;
  readonly #client: TufClient;
  readonly #downloads: TargetDownloads;
  #repository: TufRepository | null = null;
  #problems: readonly OriginProblem[] = [];
  /** One refresh at a time: they share what is trusted. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: TufReleaseSourceOptions) {
    this.#options = options;
    this.#store = new MetadataStore(path.join(options.directory, "metadata"));
    this.#client = new TufClient({ store: this.#store, trustedRoot: options.trustedRoot });
    this.#downloads = new TargetDownloads(path.join(options.directory, "downloads"));
  }

  refresh(nowMs: number): Promise<Release | null> {
    const refreshed = this.#last.then(() => this.#refresh(nowMs));
    this.#last = refreshed.catch(() => {});
    return refreshed;
  }

  problems(): readonly OriginProblem[] {
    return this.#problems;
  }

  async release(version: string): Promise<Release | null> {
    const repository = await this.#verified();
    const names = ARCHITECTURES.map((arch) => targetNames(version, arch).shipped);
    const files = await Promise.all(names.map((name) => repository.find(name)));
    if (files.every((file) => file === null)) return null;
    return this.#readRelease({ version, notes: "" });
  }

  async versions(): Promise<readonly string[]> {
    const names = await (await this.#verified()).topTargets();
    const found = names.flatMap((name) => versionOfTarget(name) ?? []);
    return [...new Set(found)];
  }

  async files(release: Release): Promise<readonly ReleaseFile[]> {
    const repository = await this.#verified();
    const indexes = release.targets.map(({ arch }) => targetNames(release.version, arch).chunks);
    const files: ReleaseFile[] = [];
    for (const target of [channelTargetName(this.#options.channel), ...indexes]) {
      const wanted = await this.#wanted(target);
      files.push({ path: wanted.path, content: await this.read(target, CHUNK_INDEX_SIZE_MAX) });
    }
    for (const [path, content] of repository.metadataFiles()) files.push({ path, content });
    return files;
  }

  async read(target: string, sizeBytesMax: number): Promise<Uint8Array> {
    const { name, file, path } = await this.#wanted(target);
    if (file.length > sizeBytesMax) throw tooLong(name, file, sizeBytesMax);
    return fromFirst(this.#options.origins, async (origin) => {
      const content = await origin.read(path, file.length);
      if (content === null) throw notThere(name, origin);
      requireFile(name, content, file);
      return content;
    });
  }

  async readRange(target: string, offset: number, sizeBytes: number): Promise<Uint8Array> {
    const { name, file, path } = await this.#wanted(target);
    if (offset + sizeBytes > file.length) throw tooLong(name, file, offset + sizeBytes);
    return fromFirst(this.#options.origins, async (origin) => {
      const opened = await origin.open(path, { offset, sizeBytes });
      if (opened === null) throw notThere(name, origin);
      if (opened.offset !== offset) throw noRanges(name, origin);
      const content = await collect(opened.pieces, sizeBytes, () => noRanges(name, origin));
      if (content.length !== sizeBytes) throw cutOff(name, origin, content.length, sizeBytes);
      return content;
    });
  }

  readBeside(path: string, sizeBytesMax: number): Promise<Uint8Array> {
    return fromFirst(this.#options.origins, async (origin) => {
      const content = await origin.read(path, sizeBytesMax);
      if (content === null) throw notThere(path, origin);
      return content;
    });
  }

  async download(target: string, progress?: (sizeBytes: number) => void): Promise<string> {
    const wanted = await this.#wanted(target);
    return this.#downloads.fetch(wanted, this.#options.origins, progress);
  }

  discardDownloads(): Promise<void> {
    return this.#downloads.discard();
  }

  async #refresh(nowMs: number): Promise<Release | null> {
    const { origins, builtAtMs } = this.#options;
    const timeMs = Math.max(nowMs, builtAtMs, this.#store.savedTimeMs());
    const problems: OriginProblem[] = [];
    let newest: TufRepository | null = null;
    for (const origin of origins) {
      try {
        const found = await this.#client.refresh(origin, timeMs);
        if (newest === null || found.version >= newest.version) newest = found;
      } catch (error) {
        if (!(error instanceof MyceliumError)) throw error;
        if (!isLag(origin, error)) problems.push({ origin: origin.name, error });
      }
    }
    this.#problems = problems;
    if (newest !== null) {
      this.#repository = newest;
      return this.#current(newest);
    }
    // What an earlier refresh verified can still be read: a download is not ended by an origin that fails now.
    if (problems.length > 0) throw worstOf(problems.map(({ error }) => error));
    return null;
  }

  /** Null while the channel is at nothing. */
  async #current(repository: TufRepository): Promise<Release | null> {
    const name = channelTargetName(this.#options.channel);
    if ((await repository.find(name)) === null) return null;
    const bytes = await this.read(name, CHANNEL_FILE_SIZE_MAX);
    return this.#readRelease(readChannelFile(name, bytes));
  }

  async #readRelease(channelFile: ChannelFile): Promise<Release> {
    const repository = await this.#verified();
    const found = new Map<string, TargetFile | null>();
    for (const arch of ARCHITECTURES) {
      const { shipped } = targetNames(channelFile.version, arch);
      found.set(shipped, await repository.find(shipped));
    }
    return readRelease(channelFile, this.#options.channel, (name) => found.get(name) ?? null);
  }

  async #wanted(target: string): Promise<WantedFile> {
    const repository = await this.#verified();
    const file = await repository.find(target);
    if (file === null) throw tufRefusal("missing", `no signed metadata names ${target}`);
    const digest = targetDigest(target, file);
    const path = targetPath(target, repository.isConsistent ? digest : null);
    return { name: target, file, digest, path };
  }

  /**
   * The repository that is read. After a restart, what is named is looked up before anybody asked what is new: at the
   * saved time then.
   */
  async #verified(): Promise<TufRepository> {
    if (this.#repository === null) await this.#last;
    if (this.#repository === null) await this.refresh(0);
    if (this.#repository !== null) return this.#repository;
    throw new MyceliumError(
      "UNREACHABLE",
      "Cannot read a release: no origin has any metadata yet; check the setting UPDATE_URL",
    );
  }
}

/** Whoever fills it may be behind, or not have begun. */
function isLag(origin: Origin, error: MyceliumError): boolean {
  const reason = tufReasonOf(error);
  return origin.mayLag && (reason === "rollback" || reason === "missing");
}

function tooLong(name: string, file: TargetFile, sizeBytesMax: number): MyceliumError {
  return new MyceliumError(
    "TOO_LARGE",
    `Cannot read ${name}: it has ${file.length} bytes, found a limit of ${sizeBytesMax}`,
  );
}

function noRanges(name: string, origin: Origin): MyceliumError {
  return new MyceliumError(
    "UNREACHABLE",
    `Cannot fetch a part of ${name} from ${origin.name}: the server sends whole files only; use one that knows ` +
      "Range requests",
  );
}

function cutOff(name: string, origin: Origin, found: number, needed: number): MyceliumError {
  return new MyceliumError(
    "UNREACHABLE",
    `Cannot fetch a part of ${name} from ${origin.name}: found ${found} bytes, needed ${needed}; try again`,
  );
}
