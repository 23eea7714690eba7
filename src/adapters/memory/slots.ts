/** The slots of a simulated machine: what is durable here survives the process, as files would. */

import { concatBytes, MyceliumError } from "../../base/index.ts";
import {
  type Chunk,
  chunksOf,
  confirmed,
  endedAsAsked,
  NEVER_CHECKED,
  reverted,
  type SlotCore,
  type SlotRecord,
  switched,
  withFloor,
  withPayload,
  withStandby,
} from "../../domain/update/index.ts";
import type { CoreStaging, SlotStore, SlotsView, StagedCore } from "../../ports/index.ts";

/** The disk: hand the same one to the store of the machine's next process. */
export class MemorySlotDisk {
  readonly cores = new Map<string, Uint8Array>();
  readonly parts = new Map<string, Map<string, Uint8Array>>();
  /** The cores inside shipped files, by path. */
  readonly shipped = new Map<string, Uint8Array>();
  record: SlotRecord;

  constructor(active: SlotCore, bytes: Uint8Array) {
    this.cores.set(active.sha256, bytes);
    this.record = {
      active,
      standby: null,
      state: "confirmed",
      boots: 0,
      trialSinceMs: 0,
      floor: 0,
      payload: active.sha256,
      refused: null,
      reason: null,
      checkedActive: NEVER_CHECKED,
      checkedStandby: NEVER_CHECKED,
      unknown: [],
    };
  }
}

export class MemorySlots implements SlotStore {
  readonly #disk: MemorySlotDisk;
  /** The process runs what was active when it started. */
  readonly #running: string;

  constructor(disk: MemorySlotDisk) {
    this.#disk = disk;
    this.#running = disk.record.active.sha256;
  }

  read(): SlotsView {
    const { active, standby, state, trialSinceMs, floor, refused, reason } = this.#disk.record;
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

  async openStaging(core: StagedCore, chunks: readonly Chunk[]): Promise<CoreStaging> {
    const disk = this.#disk;
    const part = disk.parts.get(core.sha256) ?? new Map<string, Uint8Array>();
    disk.parts.clear();
    disk.parts.set(core.sha256, part);
    for (const bytes of disk.cores.values()) for (const one of piecesOf(bytes)) part.set(...one);
    return {
      has: (position) => part.has(chunks[position]?.sha256 ?? ""),
      read: async (offset, sizeBytes) => partOf(chunks, part, offset, sizeBytes),
      write: async (position, bytes) => {
        const { sha256 } = chunks[position] ?? {};
        if (sha256 === undefined || sha256Of(bytes) !== sha256) return false;
        part.set(sha256, bytes.slice());
        return true;
      },
      finish: async () => this.#finish(core, partOf(chunks, part, 0, core.sizeBytes)),
      close: async () => {},
    };
  }

  async stageShipped(core: StagedCore, path: string): Promise<void> {
    this.#finish(core, this.#disk.shipped.get(path) ?? null);
  }

  async readCore(sha256: string, offset: number, sizeBytes: number): Promise<Uint8Array | null> {
    const bytes = this.#disk.cores.get(sha256)?.slice(offset, offset + sizeBytes);
    return bytes?.length === sizeBytes ? bytes : null;
  }

  hasCore(sha256: string): boolean {
    return this.#disk.cores.has(sha256);
  }

  async switchToStandby(nowMs: number): Promise<void> {
    const { standby, floor } = this.#disk.record;
    if (standby === null) throw new MyceliumError("STATE_MISSING", "Cannot switch: no standby");
    if (standby.stateFormat < floor) {
      throw new MyceliumError(
        "VERSION_UNSUPPORTED",
        "Cannot switch: the standby is below the floor",
      );
    }
    this.#disk.record = switched(this.#disk.record, nowMs);
  }

  async confirm(): Promise<void> {
    if (this.#isOnTrial()) this.#disk.record = confirmed(this.#disk.record);
  }

  async revert(reason: string): Promise<boolean> {
    if (!this.#isOnTrial()) return false;
    this.#disk.record = reverted(this.#disk.record, reason);
    return true;
  }

  async takeBack(reason: string): Promise<void> {
    const { active, standby } = this.#disk.record;
    if (standby === null) throw new MyceliumError("STATE_MISSING", "Cannot switch: no standby");
    if (active.sha256 === this.#running) this.#disk.record = reverted(this.#disk.record, reason);
  }

  async endAsAsked(): Promise<void> {
    if (this.#isOnTrial()) this.#disk.record = endedAsAsked(this.#disk.record);
  }

  async undoSwitch(reason: string): Promise<void> {
    const { state, standby } = this.#disk.record;
    if (state !== "trial" || standby?.sha256 !== this.#running) return;
    this.#disk.record = reverted(this.#disk.record, reason);
  }

  async raiseFloor(stateFormat: number): Promise<void> {
    this.#disk.record = withFloor(this.#disk.record, stateFormat);
  }

  async noteInstalled(): Promise<void> {
    this.#disk.record = withPayload(this.#disk.record, this.#running);
  }

  #isOnTrial(): boolean {
    const { state, active } = this.#disk.record;
    return state === "trial" && active.sha256 === this.#running;
  }

  #finish({ sha256, version, stateFormat }: StagedCore, bytes: Uint8Array | null): void {
    const disk = this.#disk;
    disk.parts.clear();
    if (bytes === null || sha256Of(bytes) !== sha256) {
      throw new MyceliumError("STATE_CORRUPT", "Cannot stage: it is not that core");
    }
    const before = disk.record.standby;
    disk.cores.set(sha256, bytes);
    disk.record = withStandby(disk.record, { sha256, version, stateFormat }, NEVER_CHECKED);
    if (before !== null && before.sha256 !== sha256) disk.cores.delete(before.sha256);
  }
}

function piecesOf(bytes: Uint8Array): (readonly [string, Uint8Array])[] {
  return [...chunksOf(bytes)].map(({ offset, sizeBytes }) => {
    const piece = bytes.slice(offset, offset + sizeBytes);
    return [sha256Of(piece), piece] as const;
  });
}

/** Null when a chunk is missing there. */
function partOf(
  chunks: readonly Chunk[],
  part: ReadonlyMap<string, Uint8Array>,
  offset: number,
  sizeBytes: number,
): Uint8Array | null {
  const pieces: Uint8Array[] = [];
  let start = 0;
  for (const chunk of chunks) {
    const from = Math.max(0, offset - start);
    const to = Math.min(chunk.sizeBytes, offset + sizeBytes - start);
    start += chunk.sizeBytes;
    if (from >= to) continue;
    const piece = part.get(chunk.sha256);
    if (piece === undefined) return null;
    pieces.push(piece.subarray(from, to));
  }
  return concatBytes(...pieces);
}

function sha256Of(bytes: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}
