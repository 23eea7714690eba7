/**
 * Looks for releases: asks the source now and then, keeps what it verified, and puts the signed files into the
 * network's own store, so that every node checks the very same release itself.
 */

import { errorCodeOf, MyceliumError, messageOf } from "../../base/index.ts";
import type { Release } from "../../domain/update/index.ts";
import type {
  Clock,
  Logger,
  Metrics,
  ReleaseFile,
  ReleaseSource,
  Timer,
} from "../../ports/index.ts";

/** Where signed files are kept for others; only validators have it. */
export interface FileKeeper {
  file(path: string): Promise<Uint8Array | null>;
  putFiles(version: string, files: readonly ReleaseFile[]): Promise<void>;
}

export interface ReleaseWatchOptions {
  /** Null: this node has no trusted root, so it can check no release. */
  readonly source: ReleaseSource | null;
  readonly keeper: FileKeeper | null;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly intervalMs: number;
  /** The members' median of the time. */
  readonly nowMs: () => number;
  /** After each look that gave an answer. */
  readonly onChange: () => void;
  readonly onFatal: (error: unknown) => void;
}

/** After a start the node has other things to do. */
const FIRST_CHECK_MS = 5_000;
/** Between two looks that are made because something is asked that this node does not know: more, the longer. */
const WANTED_MIN_MS = 5_000;
const WANTED_MAX_MS = 300_000;

export class ReleaseWatch {
  readonly #options: ReleaseWatchOptions;
  #timer: Timer | null = null;
  #checking: Promise<Release | null> | null = null;
  #wanted = { afterMs: Number.NEGATIVE_INFINITY, pauseMs: WANTED_MIN_MS };
  #stopped = false;
  /** Of a rollout; null while there is none. */
  #kept: string | null = null;
  latest: Release | null = null;
  /** Wall time of the last look that gave an answer. */
  checkedAtMs: number | null = null;
  /** Why the last look gave none. */
  problem: string | null = null;

  constructor(options: ReleaseWatchOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#options.source !== null) this.#schedule(FIRST_CHECK_MS);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /**
   * What the channel is at; calls at once share one look. Throws UPDATE_REFUSED (also when updates are not
   * configured) and UNREACHABLE, with the reason.
   */
  check(): Promise<Release | null> {
    this.#checking ??= this.#check().finally(() => {
      this.#checking = null;
    });
    return this.#checking;
  }

  /** A version this node has verified. When it knows none such it looks again, not too often, and tells of it. */
  async release(version: string): Promise<Release | null> {
    const known = await this.#known(version);
    if (known === null) this.#lookAgain();
    return known;
  }

  /** What the channel is at; looks again, not too often, when that is not the version that is asked about. */
  channelVersion(asked: string): string | null {
    if (this.latest?.version !== asked) this.#lookAgain();
    return this.latest?.version ?? null;
  }

  #lookAgain(): void {
    const { clock, source } = this.#options;
    const nowMs = clock.monotonicMs();
    if (source === null || nowMs < this.#wanted.afterMs) return;
    const { pauseMs } = this.#wanted;
    this.#wanted = { afterMs: nowMs + pauseMs, pauseMs: Math.min(WANTED_MAX_MS, 2 * pauseMs) };
    void this.#checkQuietly();
  }

  /** Versions that the verified metadata names; empty while there is none. */
  async versions(): Promise<readonly string[]> {
    const { source } = this.#options;
    return source === null || this.latest === null ? [] : source.versions();
  }

  /** Keeps the signed files of one more version for the network: that of a rollout. */
  keepVersion(version: string): void {
    if (this.#options.source === null || this.#kept === version) return;
    this.#kept = version;
    void this.#checkQuietly();
  }

  async #known(version: string): Promise<Release | null> {
    // The first look of all may take long, and is not waited for.
    if (this.checkedAtMs === null) return null;
    try {
      return (await this.#options.source?.release(version)) ?? null;
    } catch (error) {
      if (errorCodeOf(error) === undefined) throw error;
      this.problem = messageOf(error);
      return null;
    }
  }

  async #check(): Promise<Release | null> {
    const { clock, metrics, nowMs, onChange, source } = this.#options;
    if (source === null) throw notConfigured();
    metrics.count("mycelium_update_checks_total");
    try {
      const release = await source.refresh(nowMs());
      const isNew = release?.digest !== this.latest?.digest;
      this.latest = release;
      this.checkedAtMs = clock.wallMs();
      this.problem = source.problems()[0]?.error.message ?? null;
      if (release !== null) await this.#keep(release, source);
      if (isNew) this.#wanted = { ...this.#wanted, pauseMs: WANTED_MIN_MS };
      onChange();
      return release;
    } catch (error) {
      metrics.count("mycelium_update_check_failures_total");
      this.problem = messageOf(error);
      throw error;
    }
  }

  /** Only what is not kept already: nodes that look at the same time do not write the same twice. */
  async #keep(release: Release, source: ReleaseSource): Promise<void> {
    const { keeper, logger } = this.#options;
    if (keeper === null) return;
    const files = await this.#filesOf(release, source);
    const kept = await Promise.all(files.map(({ path }) => keeper.file(path)));
    const isSame = files.every(({ content }, i) => equal(content, kept[i] ?? null));
    if (isSame) return;
    try {
      await keeper.putFiles(release.version, files);
      logger.info("the release's signed files are kept for the network", {
        version: release.version,
      });
    } catch (error) {
      if (errorCodeOf(error) === undefined) throw error;
      logger.warn("the release's signed files were not kept, will retry", {
        reason: messageOf(error),
      });
    }
  }

  async #filesOf(release: Release, source: ReleaseSource): Promise<readonly ReleaseFile[]> {
    const isOther = this.#kept !== null && this.#kept !== release.version;
    const other = isOther ? await source.release(this.#kept ?? "") : null;
    const files = [release, ...(other === null ? [] : [other])].map((one) => source.files(one));
    const byPath = new Map((await Promise.all(files)).flat().map((file) => [file.path, file]));
    return [...byPath.values()];
  }

  async #checkQuietly(): Promise<void> {
    try {
      await this.check();
    } catch (error) {
      if (errorCodeOf(error) === undefined) return this.#options.onFatal(error);
      this.#options.logger.warn("no release found", { reason: messageOf(error) });
    }
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.after(delayMs, () => {
      void this.#checkQuietly().then(() => this.#schedule(this.#options.intervalMs));
    });
  }
}

function notConfigured(): MyceliumError {
  return new MyceliumError(
    "UPDATE_REFUSED",
    "Cannot look for releases: updates are not configured on this node, it trusts no publisher; set UPDATE_ROOT to " +
      "the root.json of one, and UPDATE_URL to where its releases are",
  );
}

function equal(a: Uint8Array, b: Uint8Array | null): boolean {
  return b !== null && Buffer.compare(a, b) === 0;
}
