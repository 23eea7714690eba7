/** A state directory with small cores in its slots, as the launcher would have made it. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { present, SeededRandom } from "../../../base/index.ts";
import {
  type Chunk,
  chunksOf,
  formatSlotRecord,
  NEVER_CHECKED,
  parseSlotRecord,
  type SlotRecord,
} from "../../../domain/update/index.ts";
import type { StagedCore } from "../../../ports/index.ts";
import { sha256Of } from "../core-scan.ts";
import { SlotDirectory } from "../slot-directory.ts";

/** Bytes that do not repeat, the same for the same seed. */
export function noise(sizeBytes: number, seed: number): Uint8Array {
  const random = new SeededRandom(seed);
  return Uint8Array.from({ length: sizeBytes }, () => random.below(256));
}

export interface MadeCore {
  readonly core: StagedCore;
  readonly bytes: Uint8Array;
  readonly chunks: readonly Chunk[];
  chunk(position: number): Uint8Array;
}

export function madeCore(bytes: Uint8Array, version: string): MadeCore {
  const pieces = [...chunksOf(bytes)];
  const chunks = pieces.map(({ offset, sizeBytes }) => ({
    sha256: sha256Of(bytes.subarray(offset, offset + sizeBytes)),
    sizeBytes,
    packOffset: offset,
    packSizeBytes: sizeBytes,
  }));
  return {
    core: { sha256: sha256Of(bytes), version, stateFormat: 1, sizeBytes: bytes.length },
    bytes,
    chunks,
    chunk(position) {
      const { offset, sizeBytes } = present(pieces[position], "a chunk");
      return bytes.slice(offset, offset + sizeBytes);
    },
  };
}

export class SlotLab {
  readonly path = mkdtempSync(join(tmpdir(), "slots-"));

  /** With `active` in its slot. */
  constructor(active: MadeCore) {
    mkdirSync(join(this.path, "slots"));
    this.put(active);
    this.write({
      active: active.core,
      standby: null,
      state: "confirmed",
      boots: 0,
      trialSinceMs: 0,
      floor: 0,
      payload: active.core.sha256,
      refused: null,
      reason: null,
      checkedActive: NEVER_CHECKED,
      checkedStandby: NEVER_CHECKED,
      unknown: ["later kept"],
    });
  }

  put({ core, bytes }: MadeCore): void {
    writeFileSync(this.core(core.sha256), bytes, { mode: 0o755 });
  }

  core(sha256: string): string {
    return join(this.path, "slots", `core-${sha256}`);
  }

  part(sha256: string): string {
    return join(this.path, "update", `core-${sha256}.part`);
  }

  write(record: SlotRecord): void {
    writeFileSync(join(this.path, "slots", "record"), formatSlotRecord(record));
  }

  record(): SlotRecord {
    return parseSlotRecord(readFileSync(join(this.path, "slots", "record"), "utf8"));
  }

  /** The slots as the process that runs `running` sees them. */
  slots(running: MadeCore, reserveBytes = 0, launcher = "/nowhere"): SlotDirectory {
    return new SlotDirectory({
      stateDirectory: this.path,
      running: running.core.sha256,
      launcher,
      reserveBytes,
    });
  }

  mode(path: string): number {
    return statSync(path).mode & 0o777;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
