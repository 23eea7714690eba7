/**
 * A disk in memory for tests. It keeps apart what was synced and what was only written, and can lose power at any
 * operation (then unsynced sectors are kept, lost or torn as a seed says), fill up, fail a sync, or have bytes flipped.
 */

import { MyceliumError, type Random } from "../../../base/index.ts";
import { type Disk, type DiskFile, SyncFailure } from "../disk.ts";

const SECTOR_BYTES = 512;

interface StoredFile {
  synced: Uint8Array;
  current: Uint8Array;
  directorySynced: boolean;
}

export class FaultyDisk implements Disk {
  readonly files = new Map<string, StoredFile>();
  /** Operations until power is lost; infinite by default. */
  operationsLeft = Number.POSITIVE_INFINITY;
  /** Bytes that can still be written to places not yet used; infinite by default. */
  roomBytes = Number.POSITIVE_INFINITY;
  failNextSync = false;
  /** Counts syncs of files. */
  syncCount = 0;
  /** While set, threaded syncs wait for it. */
  syncGate: Promise<void> | null = null;
  /** While set, threaded writes wait for it. */
  writeGate: Promise<void> | null = null;

  list(): readonly string[] {
    return [...this.files.keys()];
  }

  open(name: string): DiskFile {
    return new FaultyFile(this, name);
  }

  create(name: string): DiskFile {
    this.spend();
    if (this.files.has(name)) throw new Error(`EEXIST: ${name}`);
    const empty = new Uint8Array(0);
    this.files.set(name, { synced: empty, current: empty, directorySynced: false });
    return new FaultyFile(this, name);
  }

  remove(name: string): void {
    this.spend();
    this.files.delete(name);
  }

  syncDirectory(): void {
    this.spend();
    for (const file of this.files.values()) file.directorySynced = true;
  }

  /** Counts an operation; when none is left, nothing reaches the disk any more. */
  spend(): void {
    if (this.operationsLeft <= 0)
      throw new MyceliumError("CLOSED", "Cannot use the disk: no power");
    this.operationsLeft--;
  }

  /** What a power cut leaves: each sector that was not synced is old, new, or (rarely) garbage. */
  cutPower(random: Random): void {
    for (const [name, file] of this.files) {
      if (!file.directorySynced && random.below(2) === 0) {
        this.files.delete(name);
        continue;
      }
      const survived = new Uint8Array(file.current.length);
      survived.set(file.synced.subarray(0, survived.length));
      for (let at = 0; at < survived.length; at += SECTOR_BYTES) {
        tearSector(survived, file.current, at, random);
      }
      this.files.set(name, { synced: survived, current: survived.slice(), directorySynced: true });
    }
    this.operationsLeft = Number.POSITIVE_INFINITY;
  }

  flipBit(name: string, offset: number, bit: number): void {
    const file = this.files.get(name);
    const byte = file?.current[offset];
    if (file === undefined || byte === undefined) throw new Error(`no byte ${offset} in ${name}`);
    file.current[offset] = byte ^ (1 << bit);
    file.synced = file.current.slice();
  }
}

function tearSector(survived: Uint8Array, current: Uint8Array, at: number, random: Random): void {
  const end = Math.min(at + SECTOR_BYTES, current.length);
  const isSame = Buffer.compare(survived.subarray(at, end), current.subarray(at, end)) === 0;
  if (isSame) return;
  const fate = random.below(8);
  if (fate < 4) survived.set(current.subarray(at, end), at);
  if (fate === 4) for (let i = at; i < end; i++) survived[i] = random.below(256);
}

class FaultyFile implements DiskFile {
  readonly #disk: FaultyDisk;
  readonly #name: string;

  constructor(disk: FaultyDisk, name: string) {
    this.#disk = disk;
    this.#name = name;
  }

  write(bytes: Uint8Array, offset: number): void {
    this.#disk.spend();
    const file = this.#file();
    const room = this.#disk.roomBytes;
    const written = bytes.subarray(0, Math.min(bytes.length, room));
    this.#disk.roomBytes = room - written.length;
    if (offset + written.length > file.current.length) this.#grow(offset + written.length);
    this.#file().current.set(written, offset);
    if (written.length < bytes.length) {
      throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
    }
  }

  async writeThreaded(bytes: Uint8Array, offset: number): Promise<void> {
    await this.#disk.writeGate;
    this.write(bytes, offset);
  }

  sync(): void {
    this.#disk.spend();
    this.#disk.syncCount++;
    if (this.#disk.failNextSync) {
      this.#disk.failNextSync = false;
      throw new SyncFailure(new Error("EIO: i/o error"));
    }
    const file = this.#file();
    file.synced = file.current.slice();
  }

  async syncThreaded(): Promise<void> {
    await this.#disk.syncGate;
    this.sync();
  }

  read(offset: number, sizeBytes: number): Uint8Array {
    return this.#file().current.slice(offset, offset + sizeBytes);
  }

  resize(sizeBytes: number): void {
    this.#disk.spend();
    this.#grow(sizeBytes);
  }

  sizeBytes(): number {
    return this.#file().current.length;
  }

  close(): void {}

  #file(): StoredFile {
    const file = this.#disk.files.get(this.#name);
    if (file === undefined) throw new Error(`ENOENT: ${this.#name}`);
    return file;
  }

  #grow(sizeBytes: number): void {
    const file = this.#file();
    const grown = new Uint8Array(Math.max(sizeBytes, file.current.length));
    grown.set(file.current);
    file.current = grown;
  }
}
