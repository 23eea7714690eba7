/** The seed spore in a file, for instance on a share that all nodes mount. Written to a new file, then renamed. */

import fs from "node:fs/promises";
import path from "node:path";
import { MyceliumError, messageOf } from "../../base/index.ts";
import type { SeedStorage } from "../../ports/index.ts";

export interface FileSeedOptions {
  readonly path: string;
  readonly sizeBytesMax: number;
}

export class FileSeed implements SeedStorage {
  readonly name: string;
  readonly writable = true;
  readonly #sizeBytesMax: number;

  constructor(options: FileSeedOptions) {
    this.name = options.path;
    this.#sizeBytesMax = options.sizeBytesMax;
  }

  async read(): Promise<Uint8Array | null> {
    let file: fs.FileHandle;
    try {
      file = await fs.open(this.name, "r");
    } catch (error) {
      if (isMissing(error)) return null;
      throw unreachable("read", this.name, error);
    }
    try {
      return await this.#readBounded(file);
    } catch (error) {
      throw unreachable("read", this.name, error);
    } finally {
      await file.close();
    }
  }

  /** 0600. Durable when resolved; a reader sees the old content or the new. Throws UNREACHABLE. */
  async write(content: Uint8Array): Promise<void> {
    const directory = path.dirname(this.name);
    const temporary = path.join(directory, `.${path.basename(this.name)}.${process.pid}.tmp`);
    try {
      await fs.mkdir(directory, { recursive: true });
      await replaceFile(this.name, temporary, content);
      await syncDirectory(directory);
    } catch (error) {
      throw unreachable("write", this.name, error);
    }
  }

  /** One byte over the limit is enough to refuse, also when the file grows while it is read. */
  async #readBounded(file: fs.FileHandle): Promise<Uint8Array> {
    const buffer = new Uint8Array(Math.min((await file.stat()).size, this.#sizeBytesMax) + 1);
    let sizeBytes = 0;
    while (sizeBytes < buffer.length) {
      const rest = buffer.length - sizeBytes;
      const { bytesRead } = await file.read(buffer, sizeBytes, rest, sizeBytes);
      if (bytesRead === 0) return buffer.slice(0, sizeBytes);
      sizeBytes += bytesRead;
    }
    throw tooLarge(this.name, this.#sizeBytesMax);
  }
}

export function tooLarge(name: string, sizeBytesMax: number): MyceliumError {
  return new MyceliumError(
    "TOO_LARGE",
    `Cannot read the seed ${name}: it is over ${sizeBytesMax} bytes, so it is no seed; check the setting SEEDS`,
  );
}

export function unreachable(action: string, name: string, cause: unknown): MyceliumError {
  if (cause instanceof MyceliumError) return cause;
  return new MyceliumError(
    "UNREACHABLE",
    `Cannot ${action} the seed ${name}: ${messageOf(cause)}; check the setting SEEDS`,
    { cause },
  );
}

async function replaceFile(name: string, temporary: string, content: Uint8Array): Promise<void> {
  try {
    await writeDurably(temporary, content);
    await fs.rename(temporary, name);
  } catch (error) {
    await fs.rm(temporary, { force: true });
    throw error;
  }
}

async function writeDurably(name: string, content: Uint8Array): Promise<void> {
  // Left over from a process of the same number that was killed.
  await fs.rm(name, { force: true });
  const file = await fs.open(name, "wx", 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await fs.open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
