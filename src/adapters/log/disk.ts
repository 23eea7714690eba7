/**
 * The few file operations of the log, in a blocking and a threaded form, so that tests can put a disk underneath
 * that loses unsynced data, fills up or fails a sync.
 */

import fs from "node:fs";
import path from "node:path";
import { MyceliumError, messageOf } from "../../base/index.ts";

/**
 * A sync failed: what reached the disk is unknown, and a second sync would report success without having written
 * anything ("fsyncgate"). Never to be tried again.
 */
export class SyncFailure extends Error {
  constructor(cause: unknown) {
    super(`sync failed: ${messageOf(cause)}`, { cause });
    this.name = "SyncFailure";
  }
}

export interface DiskFile {
  /** Writes all of `bytes` at `offset`. */
  write(bytes: Uint8Array, offset: number): void;
  writeThreaded(bytes: Uint8Array, offset: number): Promise<void>;
  /** fdatasync: data, and the size where it changed. Throws `SyncFailure`. */
  sync(): void;
  syncThreaded(): Promise<void>;
  /** Fewer bytes than asked for at the end of the file. */
  read(offset: number, sizeBytes: number): Uint8Array;
  /** Sets the size; new bytes are zeros that take no room yet. */
  resize(sizeBytes: number): void;
  sizeBytes(): number;
  close(): void;
}

export interface Disk {
  /** Names of the files there, in no order. */
  list(): readonly string[];
  open(name: string): DiskFile;
  /** Fails when the file is there. */
  create(name: string): DiskFile;
  remove(name: string): void;
  /** Makes creations and removals durable. */
  syncDirectory(): void;
}

/** A directory of the file system, made when missing (0700); its files are 0600. */
export class DirectoryDisk implements Disk {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    if (!fs.existsSync(directory)) {
      fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
      syncDirectory(path.dirname(directory));
    }
  }

  list(): readonly string[] {
    return fs.readdirSync(this.#directory);
  }

  open(name: string): DiskFile {
    return new DescriptorFile(fs.openSync(path.join(this.#directory, name), "r+"));
  }

  create(name: string): DiskFile {
    return new DescriptorFile(fs.openSync(path.join(this.#directory, name), "wx+", 0o600));
  }

  remove(name: string): void {
    fs.unlinkSync(path.join(this.#directory, name));
  }

  syncDirectory(): void {
    syncDirectory(this.#directory);
  }
}

function syncDirectory(directory: string): void {
  const descriptor = fs.openSync(directory, "r");
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

class DescriptorFile implements DiskFile {
  readonly #descriptor: number;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  write(bytes: Uint8Array, offset: number): void {
    for (let done = 0; done < bytes.length; ) {
      done += fs.writeSync(this.#descriptor, bytes, done, bytes.length - done, offset + done);
    }
  }

  async writeThreaded(bytes: Uint8Array, offset: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      done += await this.#writePart(bytes, done, offset + done);
    }
  }

  #writePart(bytes: Uint8Array, from: number, offset: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const callback = (error: Error | null, written: number) =>
        error === null ? resolve(written) : reject(error);
      fs.write(this.#descriptor, bytes, from, bytes.length - from, offset, callback);
    });
  }

  sync(): void {
    try {
      fs.fdatasyncSync(this.#descriptor);
    } catch (error) {
      throw new SyncFailure(error);
    }
  }

  syncThreaded(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#descriptor, (error) =>
        error === null ? resolve() : reject(new SyncFailure(error)),
      );
    });
  }

  read(offset: number, sizeBytes: number): Uint8Array {
    const bytes = new Uint8Array(sizeBytes);
    let done = 0;
    while (done < sizeBytes) {
      const count = fs.readSync(this.#descriptor, bytes, done, sizeBytes - done, offset + done);
      if (count === 0) return bytes.subarray(0, done);
      done += count;
    }
    return bytes;
  }

  resize(sizeBytes: number): void {
    fs.ftruncateSync(this.#descriptor, sizeBytes);
  }

  sizeBytes(): number {
    return fs.fstatSync(this.#descriptor).size;
  }

  close(): void {
    fs.closeSync(this.#descriptor);
  }
}

/** Whether the disk refused for want of room: nothing is wrong with it, and the write may be tried again. */
export function isDiskFull(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOSPC" || code === "EDQUOT";
}

/** What the operating system said, as an expected error. */
export function diskError(action: string, cause: unknown): MyceliumError {
  if (cause instanceof MyceliumError) return cause;
  if (isDiskFull(cause)) {
    return new MyceliumError("DISK_FULL", `Cannot ${action}: the disk is full; free some room`, {
      cause,
    });
  }
  const reason = messageOf(cause);
  return new MyceliumError(
    "STATE_NOT_WRITABLE",
    `Cannot ${action}: ${reason}; check the disk and the owner of the state directory`,
    { cause },
  );
}
