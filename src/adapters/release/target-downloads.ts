/**
 * Targets as files of the state directory. A download that was cut off goes on where it was, with whichever origin
 * answers. A file counts only after it was synced and read back through the same handle with the right hash, so
 * neither a mirror that changes its mind nor a failing disk gets other bytes through.
 */

import { createHash } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import { formatSizeBytes, MyceliumError, messageOf } from "../../base/index.ts";
import {
  type TargetDigest,
  type TargetFile,
  tufReasonOf,
  wrongHash,
  wrongSize,
} from "../../domain/update/index.ts";
import { fromFirst } from "./from-first.ts";
import type { Origin } from "./origin.ts";

const READ_SIZE = 1_024 * 1_024;
const PART = ".part";

export interface WantedFile {
  /** For messages. */
  readonly name: string;
  readonly file: TargetFile;
  readonly digest: TargetDigest;
  /** In the release directory. */
  readonly path: string;
}

export class TargetDownloads {
  readonly #directory: string;

  /** Made when it is first needed (0700). */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * The path of the file, whole and verified. Throws UPDATE_REFUSED (size, hash), UNREACHABLE, DISK_FULL before
   * anything is fetched. `progress` is told how many bytes are there.
   */
  async fetch(
    wanted: WantedFile,
    origins: readonly Origin[],
    progress: (sizeBytes: number) => void = () => {},
  ): Promise<string> {
    const whole = path.join(this.#directory, wanted.digest.hex);
    try {
      await fs.mkdir(this.#directory, { recursive: true, mode: 0o700 });
      await this.#removeOthers(wanted.digest.hex);
      if (await this.#isWhole(whole, wanted)) return whole;
      await this.#requireRoom(wanted);
      await fromFirst(origins, (origin) => this.#fetchFrom(origin, wanted, whole, progress));
    } catch (error) {
      throw diskError(wanted.name, error);
    }
    return whole;
  }

  /** Removes what was downloaded, and parts. */
  async discard(): Promise<void> {
    await fs.rm(this.#directory, { recursive: true, force: true });
  }

  async #fetchFrom(
    origin: Origin,
    wanted: WantedFile,
    whole: string,
    progress: (sizeBytes: number) => void,
  ): Promise<void> {
    const part = `${whole}${PART}`;
    const handle = await fs.open(part, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600);
    try {
      const isResumed = (await handle.stat()).size > 0;
      const isRight = await attempt(handle, origin, wanted, progress, isResumed);
      // What an earlier try left may have spoilt it: that is no fault of this origin.
      if (!isRight) await attempt(handle, origin, wanted, progress, false);
    } finally {
      await handle.close();
    }
    await fs.rename(part, whole);
    await syncDirectory(this.#directory);
  }

  async #isWhole(whole: string, wanted: WantedFile): Promise<boolean> {
    const handle = await fs.open(whole, "r").catch(() => null);
    if (handle === null) return false;
    try {
      await requireContent(handle, wanted);
      return true;
    } catch {
      await fs.rm(whole, { force: true });
      return false;
    } finally {
      await handle.close();
    }
  }

  /** One release is fetched at a time: what is left of another is of no use. */
  async #removeOthers(hex: string): Promise<void> {
    for (const name of await fs.readdir(this.#directory)) {
      if (name !== hex && name !== `${hex}${PART}`) await fs.rm(path.join(this.#directory, name));
    }
  }

  async #requireRoom({ name, file, digest }: WantedFile): Promise<void> {
    const part = path.join(this.#directory, `${digest.hex}${PART}`);
    const there = await fs.stat(part).then(
      ({ size }) => size,
      () => 0,
    );
    const { bavail, bsize } = await fs.statfs(this.#directory);
    const needed = file.length - there;
    const free = bavail * bsize;
    if (needed <= free) return;
    throw new MyceliumError(
      "DISK_FULL",
      `Cannot download ${name}: found ${formatSizeBytes(free)} free in ${this.#directory}, needed ` +
        `${formatSizeBytes(needed)}; free some room`,
    );
  }
}

/**
 * Completes the part, syncs it and checks what is on the disk. A wrong one is emptied: its bytes would spoil every
 * later try. It is thrown, or false where `mayBeWrong`.
 */
async function attempt(
  handle: fs.FileHandle,
  origin: Origin,
  wanted: WantedFile,
  progress: (sizeBytes: number) => void,
  mayBeWrong: boolean,
): Promise<boolean> {
  try {
    await fill(handle, origin, wanted, progress);
    await handle.sync();
    await requireContent(handle, wanted);
    return true;
  } catch (error) {
    if (tufReasonOf(error) !== "hash") throw error;
    await handle.truncate(0);
    if (mayBeWrong) return false;
    throw error;
  }
}

/** Fetches what the part still lacks. */
async function fill(
  handle: fs.FileHandle,
  origin: Origin,
  { name, file, path: source }: WantedFile,
  progress: (sizeBytes: number) => void,
): Promise<void> {
  let at = (await handle.stat()).size;
  if (at > file.length) {
    await handle.truncate(0);
    at = 0;
  }
  progress(at);
  if (at === file.length) return;
  const opened = await origin.open(source, { offset: at, sizeBytes: file.length - at });
  if (opened === null) throw notThere(name, origin);
  // An origin that cannot begin in the middle sends again what is there.
  at = opened.offset;
  for await (const piece of opened.pieces) {
    for (let done = 0; done < piece.length; ) {
      done += (await handle.write(piece, done, piece.length - done, at + done)).bytesWritten;
    }
    at += piece.length;
    progress(at);
  }
  if (at !== file.length) throw wrongSize(name, at, file.length);
}

/** Reads the file from its start. Throws UPDATE_REFUSED (size, hash). */
async function requireContent(handle: fs.FileHandle, { name, file }: WantedFile): Promise<void> {
  const hashes = Object.entries(file.hashes).map(
    ([algorithm, needed]) => ({ algorithm, needed, hash: createHash(algorithm) }) as const,
  );
  const buffer = new Uint8Array(READ_SIZE);
  let at = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) break;
    for (const { hash } of hashes) hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  if (at !== file.length) throw wrongSize(name, at, file.length);
  for (const { algorithm, needed, hash } of hashes) {
    const found = hash.digest("hex");
    if (found !== needed) throw wrongHash(name, algorithm, found, needed);
  }
}

export function notThere(name: string, origin: Origin): MyceliumError {
  return new MyceliumError(
    "UNREACHABLE",
    `Cannot fetch ${name} from ${origin.name}: it is not there; the mirror is not complete: use another`,
    { details: { origin: origin.name, file: name } },
  );
}

function diskError(name: string, error: unknown): unknown {
  const code = (error as { code?: string }).code ?? "";
  if (error instanceof MyceliumError || !/^E[A-Z]+$/.test(code)) return error;
  const isFull = code === "ENOSPC" || code === "EDQUOT";
  return new MyceliumError(
    isFull ? "DISK_FULL" : "STATE_NOT_WRITABLE",
    `Cannot download ${name}: ${isFull ? "the disk is full; free some room" : messageOf(error)}`,
    { cause: error },
  );
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await fs.open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
