/**
 * The trusted TUF metadata of this node, a directory: `ROLE.json` as received, `roots/N.json` for every root that
 * could be had, `time` for the latest time at which metadata was found fresh. Each file is replaced by rename, durably. What
 * is read back is verified again, so damage only costs a download.
 */

import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { MyceliumError, messageOf } from "../../base/index.ts";

const ROOTS = "roots";
const TIME = "time";

export class MetadataStore {
  readonly #directory: string;

  /** Made with its first file (0700): a node starts on a full disk as well. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Null when there is none. */
  read(role: string): Uint8Array | null {
    return readOrNull(this.#roleFile(role));
  }

  write(role: string, content: Uint8Array): void {
    this.#replace(this.#roleFile(role), content);
  }

  remove(role: string): void {
    rmSync(this.#roleFile(role), { force: true });
  }

  readRoot(version: number): Uint8Array | null {
    return readOrNull(this.#rootFile(version));
  }

  /** A root that was replaced before this node began to follow them; nothing is trusted by it. */
  writePastRoot(version: number, content: Uint8Array): void {
    this.#replace(this.#rootFile(version), content);
  }

  /** Trusted from now on. The history comes first: the root in use is always in it. */
  writeRoot(version: number, content: Uint8Array): void {
    this.#replace(this.#rootFile(version), content);
    this.write("root", content);
  }

  /** Versions of the roots that are kept, ascending. */
  rootVersions(): readonly number[] {
    return filesOf(path.join(this.#directory, ROOTS))
      .flatMap((name) => /^([1-9]\d{0,8})\.json$/.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
  }

  /** Forgets all trust but the time: another publisher's root was configured. */
  clear(): void {
    for (const name of filesOf(this.#directory)) {
      if (name.endsWith(".json")) rmSync(path.join(this.#directory, name));
    }
    rmSync(path.join(this.#directory, ROOTS), { recursive: true, force: true });
  }

  /** Unix milliseconds; 0 before the first. */
  savedTimeMs(): number {
    const content = readOrNull(path.join(this.#directory, TIME));
    const text = content === null ? "" : Buffer.from(content).toString("latin1").trim();
    return /^\d{1,15}$/.test(text) ? Number(text) : 0;
  }

  /** Never goes back. */
  saveTime(timeMs: number): void {
    if (timeMs <= this.savedTimeMs()) return;
    this.#replace(path.join(this.#directory, TIME), Buffer.from(`${Math.floor(timeMs)}\n`));
  }

  #rootFile(version: number): string {
    return path.join(this.#directory, ROOTS, `${version}.json`);
  }

  #roleFile(role: string): string {
    return path.join(this.#directory, `${encodeURIComponent(role)}.json`);
  }

  #replace(file: string, content: Uint8Array): void {
    try {
      replaceDurably(file, content);
    } catch (error) {
      const isFull = ["ENOSPC", "EDQUOT"].includes((error as { code?: string }).code ?? "");
      const what = isFull ? "the disk is full; free some room" : messageOf(error);
      throw new MyceliumError(
        isFull ? "DISK_FULL" : "STATE_NOT_WRITABLE",
        `Cannot keep release metadata in ${file}: ${what}`,
        { cause: error },
      );
    }
  }
}

function replaceDurably(file: string, content: Uint8Array): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.new`;
  const descriptor = openSync(temporary, "w", 0o600);
  try {
    for (let at = 0; at < content.length; ) at += writeSync(descriptor, content, at);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, file);
  const directory = openSync(path.dirname(file), "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** Empty where the directory is missing or unreadable. */
function filesOf(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function readOrNull(file: string): Uint8Array | null {
  try {
    return new Uint8Array(readFileSync(file));
  } catch {
    // Missing or unreadable: it is fetched again.
    return null;
  }
}
