/**
 * Keeps the installed launcher that of the running release. It changes rarely; where it has, the whole shipped file is
 * fetched and put in its place: by this user where the file is its own, else by the root helper, which checks the
 * release's signature itself. A node that may not replace it says so and goes on with the one it has.
 */

import { MyceliumError, messageOf, type Random } from "../../base/index.ts";
import { compareVersions } from "../../domain/config/index.ts";
import {
  type Architecture,
  parseShippedTrailer,
  type ReleaseTarget,
  type ShippedTrailer,
  TRAILER_SIZE_BYTES,
  targetNames,
} from "../../domain/update/index.ts";
import type { Clock, Logger, ReleaseSource, SlotStore, Timer } from "../../ports/index.ts";

/** After a start; a node on trial, or one of many, is in no hurry. At most the interval between two looks. */
const FIRST_MS = 60_000;
const SPREAD_MS = 240_000;
const SUMS_SIZE_MAX = 65_536;

export interface LauncherUpkeepOptions {
  readonly slots: Pick<SlotStore, "read" | "noteInstalled">;
  readonly source: Pick<
    ReleaseSource,
    "release" | "readRange" | "download" | "discardDownloads" | "readBeside"
  >;
  readonly arch: Architecture;
  /** Of the running core. */
  readonly version: string;
  readonly intervalMs: number;
  /** Of the launcher's file; null when it cannot be read. */
  installed(): Promise<ShippedTrailer | null>;
  /** Puts a verified shipped file, and the sums that the publisher signed, in the launcher's place. */
  install(shipped: string, sums: Uint8Array, signature: Uint8Array): Promise<void>;
  readonly random: Random;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class LauncherUpkeep {
  readonly #options: LauncherUpkeepOptions;
  #timer: Timer;
  #isOver = false;
  #problem: string | null = null;

  constructor(options: LauncherUpkeepOptions) {
    this.#options = options;
    const { intervalMs, random } = options;
    const spreadMs = random.float() * Math.min(SPREAD_MS, intervalMs);
    const delayMs = Math.min(FIRST_MS, intervalMs) + spreadMs;
    this.#timer = options.clock.after(delayMs, () => void this.#run());
  }

  /** Why the launcher is not that of the release; null while it is, or while nothing is known. */
  problem(): string | null {
    return this.#problem;
  }

  stop(): void {
    this.#isOver = true;
    this.#timer.cancel();
  }

  async #run(): Promise<void> {
    const { clock, intervalMs, logger } = this.#options;
    try {
      await this.#step();
      this.#problem = null;
    } catch (error) {
      if (!(error instanceof MyceliumError)) throw error;
      // Metadata that is not there yet, or an origin that is away, is no news here: the rollout tells of it.
      if (error.code !== "UNREACHABLE") {
        const reason = messageOf(error);
        if (reason !== this.#problem) logger.warn("the launcher stays as it is", { reason });
        this.#problem = reason;
      }
    }
    if (!this.#isOver) this.#timer = clock.after(intervalMs, () => void this.#run());
  }

  async #step(): Promise<void> {
    const { slots, source, installed, install, logger, version } = this.#options;
    if (slots.read().state === "trial") return;
    await this.#note();
    const target = await this.#target();
    if (target === null) return;
    const published = await this.#published(target);
    const present = await installed();
    if (present?.launcherSha256 === published.launcherSha256) return;
    // An operator may have installed a later release already.
    if (present !== null && (compareVersions(present.version, version) ?? -1) > 0) return;
    const sums = await source.readBeside("SHA256SUMS", SUMS_SIZE_MAX);
    // Those of the newest version: a node that runs another one waits for its turn.
    if (!new TextDecoder().decode(sums).includes(target.shippedSha256)) return;
    const signature = await source.readBeside("SHA256SUMS.sig", SUMS_SIZE_MAX);
    const path = await source.download(targetNames(version, target.arch).shipped);
    try {
      await install(path, sums, signature);
    } finally {
      await source.discardDownloads();
    }
    await this.#checkInstalled(published);
    await this.#note();
    logger.info("the launcher was replaced", { version });
  }

  async #checkInstalled({ launcherSha256, version }: ShippedTrailer): Promise<void> {
    const found = (await this.#options.installed())?.launcherSha256 ?? "none";
    if (found === launcherSha256) return;
    throw new MyceliumError(
      "STATE_CORRUPT",
      `Cannot keep the launcher that of version ${version}: it was replaced, and is another still (found ${found.slice(0, 12)}, needed ${launcherSha256.slice(0, 12)})`,
    );
  }

  /** Else the launcher would take its new file, at the next switch, for a release that an operator installed. */
  async #note(): Promise<void> {
    const { installed, slots } = this.#options;
    const present = await installed();
    if (present?.coreSha256 === slots.read().running) await slots.noteInstalled();
  }

  async #target(): Promise<ReleaseTarget | null> {
    const { source, arch, slots, version } = this.#options;
    const release = await source.release(version);
    const target = release?.targets.find((one) => one.arch === arch);
    return target?.coreSha256 === slots.read().running ? target : null;
  }

  /** Its launcher's hash is only a reason to fetch the file, which is then checked as a whole. */
  async #published({ arch, coreSha256, shippedSizeBytes }: ReleaseTarget): Promise<ShippedTrailer> {
    const { source, version } = this.#options;
    const { shipped } = targetNames(version, arch);
    const offset = shippedSizeBytes - TRAILER_SIZE_BYTES;
    const trailer = parseShippedTrailer(
      await source.readRange(shipped, offset, TRAILER_SIZE_BYTES),
    );
    if (trailer?.coreSha256 === coreSha256) return trailer;
    throw new MyceliumError(
      "UPDATE_REFUSED",
      `Cannot look at the launcher of version ${version}: ${shipped} does not end as a shipped file of it does`,
    );
  }
}
