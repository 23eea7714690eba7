/**
 * The slots in the state directory, shared with the launcher: its lock, its record, files named by their SHA-256. The
 * record's steps are durable when they resolve; whatever the moment of a power cut, it names a whole core.
 */

import { existsSync } from "node:fs";
import { open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { MyceliumError } from "../../base/index.ts";
import {
  type CheckedStat,
  type Chunk,
  confirmed,
  endedAsAsked,
  reverted,
  type SlotCore,
  type SlotRecord,
  switched,
  withFloor,
  withoutStandby,
  withPayload,
} from "../../domain/update/index.ts";
import type { CoreStaging, SlotStore, SlotsView, StagedCore } from "../../ports/index.ts";
import { CoreStager } from "./core-stager.ts";
import { hashOfPath, isAsChecked, storing } from "./durable-file.ts";
import { readExactly } from "./part-file.ts";
import { onTrial, SlotFiles } from "./slot-files.ts";

const CORE_NAME = /^core-([0-9a-f]{64})$/;

export interface SlotDirectoryOptions {
  readonly stateDirectory: string;
  /** SHA-256 of the core that this process runs. */
  readonly running: string;
  /** What unpacks shipped files. */
  readonly launcher: string;
  /** Free disk that stays free (DISK_RESERVE). */
  readonly reserveBytes: number;
}

/** The hash in the name of a slot's core under `stateDirectory`; null for any other executable. */
export function slotOf(executable: string, stateDirectory: string): string | null {
  if (dirname(executable) !== join(stateDirectory, "slots")) return null;
  return CORE_NAME.exec(basename(executable))?.[1] ?? null;
}

export class SlotDirectory implements SlotStore {
  readonly #running: string;
  readonly #files: SlotFiles;
  readonly #stager: CoreStager;

  constructor(options: SlotDirectoryOptions) {
    this.#running = options.running;
    this.#files = new SlotFiles(options.stateDirectory);
    this.#stager = new CoreStager(this.#files, options.launcher, options.reserveBytes);
  }

  read(): SlotsView {
    const { active, standby, state, trialSinceMs, floor, refused, reason } = this.#files.read();
    return {
      running: this.#running,
      active,
      standby,
      state,
      trialSinceMs,
      floor,
      refused: refused === null ? null : { sha256: refused, reason: reason ?? "unknown" },
    };
  }

  openStaging(core: StagedCore, chunks: readonly Chunk[]): Promise<CoreStaging> {
    return this.#stager.open(core, chunks);
  }

  stageShipped(core: StagedCore, path: string): Promise<void> {
    return this.#stager.unpack(core, path);
  }

  async readCore(sha256: string, offset: number, sizeBytes: number): Promise<Uint8Array | null> {
    if (!this.hasCore(sha256)) return null;
    return storing("Cannot read a core", async () => {
      const file = await open(this.#files.core(sha256), "r");
      try {
        return await readExactly(file, offset, sizeBytes);
      } finally {
        await file.close();
      }
    });
  }

  hasCore(sha256: string): boolean {
    return CORE_NAME.test(`core-${sha256}`) && existsSync(this.#files.core(sha256));
  }

  async switchToStandby(nowMs: number): Promise<void> {
    await this.#files.locked(async (write) => {
      const record = this.#files.read();
      await this.#requireStandby(record, write);
      await write(switched(record, nowMs));
    });
  }

  async confirm(): Promise<void> {
    await this.#files.change((record) => (this.#isOnTrial(record) ? confirmed(record) : null));
  }

  async revert(reason: string): Promise<boolean> {
    const before = await this.#files.change((record) =>
      this.#isOnTrial(record) && record.standby !== null ? reverted(record, reason) : null,
    );
    return this.#isOnTrial(before) && before.standby !== null;
  }

  async takeBack(reason: string): Promise<void> {
    if (await this.revert(reason)) return;
    await this.#files.locked(async (write) => {
      const record = this.#files.read();
      // Another process has switched meanwhile: this one is not active any more.
      if (record.active.sha256 !== this.#running) return;
      await this.#requireStandby(record, write);
      await write(reverted(record, reason));
    });
  }

  async endAsAsked(): Promise<void> {
    await this.#files.change((record) => (this.#isOnTrial(record) ? endedAsAsked(record) : null));
  }

  async undoSwitch(reason: string): Promise<void> {
    await this.#files.change((record) =>
      record.state === "trial" && record.standby?.sha256 === this.#running
        ? reverted(record, reason)
        : null,
    );
  }

  async raiseFloor(stateFormat: number): Promise<void> {
    await this.#files.change((record) =>
      record.floor < stateFormat ? withFloor(record, stateFormat) : null,
    );
  }

  async noteInstalled(): Promise<void> {
    const running = this.#running;
    await this.#files.change((record) =>
      record.payload === running ? null : withPayload(record, running),
    );
  }

  #isOnTrial({ state, active }: SlotRecord): boolean {
    return state === "trial" && active.sha256 === this.#running;
  }

  /** Throws when there is no other core that may run now, whole. */
  async #requireStandby(
    record: SlotRecord,
    write: (record: SlotRecord) => Promise<void>,
  ): Promise<void> {
    const standby = switchable(record);
    if (await this.#isWhole(standby, record.checkedStandby)) return;
    await write(withoutStandby(record));
    throw new MyceliumError(
      "STATE_CORRUPT",
      `Cannot switch to version ${standby.version}: its file ${this.#files.core(standby.sha256)} is damaged ` +
        "or gone; stage it again",
    );
  }

  async #isWhole({ sha256 }: SlotCore, checked: CheckedStat): Promise<boolean> {
    const path = this.#files.core(sha256);
    if (!existsSync(path)) return false;
    return (await isAsChecked(path, checked)) || (await hashOfPath(path)) === sha256;
  }
}

/** The standby, if the record lets it run. */
function switchable({ standby, state, floor }: SlotRecord): SlotCore {
  if (state === "trial") throw onTrial();
  if (standby === null) {
    throw new MyceliumError("STATE_MISSING", "Cannot switch: no other version is staged here");
  }
  if (standby.stateFormat < floor) {
    throw new MyceliumError(
      "VERSION_UNSUPPORTED",
      `Cannot switch to version ${standby.version}: it writes state format ${standby.stateFormat}, the network has ` +
        `moved on to ${floor} for good`,
    );
  }
  return standby;
}
