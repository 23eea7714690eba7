/** A state directory as one small file: what a node left behind when its power went, without what it makes anew. */

import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { bytes, decodeCbor, encodeCbor, list, object, text } from "../../src/domain/wire/index.ts";

const FILES_MAX = 1_000;
const FILE_SIZE_MAX = 64 * 1_024 * 1_024;
/** Locks and sockets, SQLite's shared memory, executables: of the machine, not of the node. */
const OF_THE_MACHINE = /^(lock|.*\.sock|.*-shm|guard\.so|slots\/(core-.*|lock)|.*\.log\.txt)$/;
const MARK = "state.json";

const archiveShape = list(object({ path: text(1_024), content: bytes(FILE_SIZE_MAX) }), FILES_MAX);

export function packState(directory: string): Uint8Array {
  const files = readdirSync(directory, { recursive: true })
    .map(String)
    .filter((path) => statSync(join(directory, path)).isFile() && !OF_THE_MACHINE.test(path))
    .sort()
    .map((path) => ({ path, content: new Uint8Array(readFileSync(join(directory, path))) }));
  return zstdCompressSync(encodeCbor(files), {
    params: { [constants.ZSTD_c_compressionLevel]: 19, [constants.ZSTD_c_windowLog]: 27 },
  });
}

/** As if the directory had been made there: a node refuses a copy of another's. */
export function unpackState(archive: Uint8Array, directory: string): void {
  const packed = zstdDecompressSync(archive, { params: { [constants.ZSTD_d_windowLogMax]: 27 } });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const { path, content } of archiveShape(decodeCbor(new Uint8Array(packed)), "archive")) {
    const file = join(directory, path);
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, path === MARK ? ownMark(content, directory) : content, { mode: 0o600 });
  }
}

function ownMark(content: Uint8Array, directory: string): string {
  const mark: object = JSON.parse(new TextDecoder().decode(content));
  return `${JSON.stringify({ ...mark, origin: String(statSync(directory).ino) })}\n`;
}
