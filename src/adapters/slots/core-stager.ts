/**
 * Puts a whole core into the standby slot. Its file appears under its name only when it is whole and synced; the record
 * names it only after that; and the standby before goes only after the record no longer names it.
 */

import { existsSync, readdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { MyceliumError } from "../../base/index.ts";
import {
  type CheckedStat,
  type Chunk,
  type SlotCore,
  withoutStandby,
  withStandby,
} from "../../domain/update/index.ts";
import type { CoreStaging, StagedCore } from "../../ports/index.ts";
import { removeDurably, renameDurably, storing } from "./durable-file.ts";
import { PartFile } from "./part-file.ts";
import { noRoom, roomFor } from "./room.ts";
import { onTrial, type SlotFiles } from "./slot-files.ts";
import { unpackShipped } from "./unpack-shipped.ts";

const PART_NAME = /^core-[0-9a-f]{64}\.part$/;

export class CoreStager {
  readonly #files: SlotFiles;
  readonly #launcher: string;
  readonly #reserveBytes: number;

  constructor(files: SlotFiles, launcher: string, reserveBytes: number) {
    this.#files = files;
    this.#launcher = launcher;
    this.#reserveBytes = reserveBytes;
  }

  open(core: StagedCore, chunks: readonly Chunk[]): Promise<CoreStaging> {
    return storing(actionOf(core), () => this.#open(core, chunks));
  }

  unpack(core: StagedCore, shipped: string): Promise<void> {
    return storing(actionOf(core), () => this.#unpack(core, shipped));
  }

  async #open(core: StagedCore, chunks: readonly Chunk[]): Promise<CoreStaging> {
    if (this.#files.read().state === "trial") throw onTrial();
    await mkdir(this.#files.updates, { recursive: true, mode: 0o700 });
    const path = this.#files.part(core.sha256);
    await this.#dropPartsBut(basename(path));
    await this.#makeRoom(core, path);
    const part = await PartFile.open(path, core.sizeBytes, chunks);
    try {
      for (const whole of this.#wholeCores()) if (!part.isWhole) await part.fillFrom(whole);
    } catch (error) {
      await part.close();
      throw error;
    }
    return {
      has: (position) => part.has(position),
      read: (offset, sizeBytes) => storing(actionOf(core), () => part.read(offset, sizeBytes)),
      write: (position, bytes) => storing(actionOf(core), () => part.write(position, bytes)),
      finish: () => storing(actionOf(core), () => this.#finish(core, part, path)),
      close: () => part.close(),
    };
  }

  async #unpack(core: StagedCore, shipped: string): Promise<void> {
    if (this.#files.read().state === "trial") throw onTrial();
    await mkdir(this.#files.updates, { recursive: true, mode: 0o700 });
    const path = this.#files.part(core.sha256);
    await removeDurably(path);
    await this.#makeRoom(core, path);
    await unpackShipped(this.#launcher, shipped, path);
    const part = await PartFile.open(path, core.sizeBytes, []);
    try {
      await this.#finish(core, part, path);
    } finally {
      await part.close();
    }
  }

  async #finish(core: StagedCore, part: PartFile, path: string): Promise<void> {
    const { sha256, checked } = await part.seal();
    if (sha256 !== core.sha256) {
      await removeDurably(path);
      throw new MyceliumError(
        "STATE_CORRUPT",
        `Cannot stage version ${core.version}: found SHA-256 ${sha256} on the disk, needed ${core.sha256}; it was ` +
          "thrown away and is fetched again",
      );
    }
    await this.#makeStandby(core, path, checked);
  }

  /** Under the lock as a whole: the launcher deletes cores that the record does not name. */
  async #makeStandby(core: SlotCore, part: string, checked: CheckedStat): Promise<void> {
    const { sha256, version, stateFormat } = core;
    await this.#files.locked(async (write) => {
      const record = this.#files.read();
      if (record.state === "trial") throw onTrial();
      await renameDurably(part, this.#files.core(sha256));
      if (record.active.sha256 === sha256) return;
      await write(withStandby(record, { sha256, version, stateFormat }, checked));
      const before = record.standby?.sha256;
      if (before !== undefined && before !== sha256) await removeDurably(this.#files.core(before));
    });
  }

  /** Room for a third core, else in place of the standby. Throws DISK_FULL. */
  async #makeRoom(core: StagedCore, partPath: string): Promise<void> {
    const { slots } = this.#files;
    const room = await roomFor(slots, core.sizeBytes, partPath, this.#reserveBytes);
    if (room.freeBytes >= room.neededBytes) return;
    const { standby, state } = this.#files.read();
    const standbyPath = standby === null ? null : this.#files.core(standby.sha256);
    const spareBytes = standbyPath === null ? 0 : Bun.file(standbyPath).size;
    if (
      standbyPath === null ||
      state === "trial" ||
      room.freeBytes + spareBytes < room.neededBytes
    ) {
      throw noRoom(core.version, slots, room);
    }
    await this.#files.change((record) => {
      if (record.state === "trial") throw onTrial();
      return withoutStandby(record);
    });
    await removeDurably(standbyPath);
  }

  #wholeCores(): readonly string[] {
    const { active, standby } = this.#files.read();
    return [standby, active]
      .flatMap((core) => (core === null ? [] : [this.#files.core(core.sha256)]))
      .filter((path) => existsSync(path));
  }

  /** What was fetched of releases that were given up. */
  async #dropPartsBut(keep: string): Promise<void> {
    for (const name of readdirSync(this.#files.updates)) {
      if (name === keep || !PART_NAME.test(name)) continue;
      await removeDurably(join(this.#files.updates, name));
    }
  }
}

function actionOf({ version }: StagedCore): string {
  return `Cannot stage version ${version}`;
}
