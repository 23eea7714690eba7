/** A release directory on a disk or a share of this machine: for networks without Internet. */

import fs from "node:fs/promises";
import path from "node:path";
import {
  type ByteRange,
  collect,
  type OpenFile,
  type Origin,
  tooLarge,
  unreachable,
} from "./origin.ts";

const PIECE_SIZE = 256 * 1_024;

export class DirectoryOrigin implements Origin {
  readonly name: string;
  readonly mayLag = false;

  constructor(directory: string) {
    this.name = path.resolve(directory);
  }

  async read(file: string, sizeBytesMax: number): Promise<Uint8Array | null> {
    // A byte more than allowed is enough to refuse.
    const opened = await this.open(file, { offset: 0, sizeBytes: sizeBytesMax + 1 });
    if (opened === null) return null;
    return collect(opened.pieces, sizeBytesMax, () => tooLarge(this.name, file, sizeBytesMax));
  }

  async open(file: string, range: ByteRange): Promise<OpenFile | null> {
    const handle = await this.#open(file);
    if (handle === null) return null;
    return { offset: range.offset, pieces: this.#pieces(handle, file, range) };
  }

  async #open(file: string): Promise<fs.FileHandle | null> {
    const inside = path.join(this.name, decodeURIComponent(file));
    // A name may come from a publisher who is not careful.
    if (!inside.startsWith(`${this.name}${path.sep}`)) return null;
    try {
      return await fs.open(inside, "r");
    } catch (error) {
      // Without the directory itself, for instance while a share is not mounted, nothing is known.
      if (isMissing(error) && (await isDirectory(this.name))) return null;
      throw unreachable(this.name, file, error);
    }
  }

  async *#pieces(
    handle: fs.FileHandle,
    file: string,
    { offset, sizeBytes }: ByteRange,
  ): AsyncGenerator<Uint8Array> {
    try {
      for (let done = 0; done < sizeBytes; ) {
        const piece = new Uint8Array(Math.min(PIECE_SIZE, sizeBytes - done));
        const { bytesRead } = await handle.read(piece, 0, piece.length, offset + done);
        if (bytesRead === 0) return;
        done += bytesRead;
        yield piece.subarray(0, bytesRead);
      }
    } catch (error) {
      throw unreachable(this.name, file, error);
    } finally {
      await handle.close();
    }
  }
}

async function isDirectory(name: string): Promise<boolean> {
  return fs.stat(name).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
