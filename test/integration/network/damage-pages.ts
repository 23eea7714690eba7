/** Damage to a database on disk, as a worn card does it. */

import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

const PAGE_BYTES = 4_096;

/** Overwrites the middle of every page from the one at `first` on, by default the second; how many. */
export function damagePages(directory: string, first = 1): number {
  const current = readdirSync(directory).filter((name) => name.endsWith(".sqlite"));
  const pointer = join(directory, "current");
  const name = existsSync(pointer) ? readFileSync(pointer, "utf8").trim() : "";
  const file = join(directory, current.find((one) => one.startsWith(name)) ?? current[0] ?? "");
  const pageCount = statSync(file).size / PAGE_BYTES;
  const fd = openSync(file, "r+");
  for (let page = first; page < pageCount; page++) {
    writeSync(fd, Buffer.alloc(256, 0xa5), 0, 256, page * PAGE_BYTES + 1_024);
  }
  closeSync(fd);
  return pageCount - first;
}
