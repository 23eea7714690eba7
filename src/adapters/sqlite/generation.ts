/**
 * Which file of a shard's directory is the database. A snapshot is installed beside the present file under the next
 * number, and becomes the database by one atomic rename of the file that holds the number; a crash at any point
 * leaves the old or the new one, whole. Layout: `current` holds "3", `3.sqlite` is the database. One that is damaged
 * may be marked (`condemned` says why), and is set aside as `damaged-3.sqlite` until another takes its place.
 */

import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { MyceliumError } from "../../base/index.ts";

const POINTER = "current";
const POINTER_NEXT = "current.next";
const CONDEMNED = "condemned";
const DAMAGED_PREFIX = "damaged-";

/** The present number; makes the first one in an empty directory. Throws STATE_CORRUPT. */
export function openGeneration(directory: string): number {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const condemned = join(directory, CONDEMNED);
  if (existsSync(condemned)) throw corrupt(directory, readFileSync(condemned, "utf8").trim());
  const pointer = join(directory, POINTER);
  if (!existsSync(pointer)) {
    if (databaseFiles(directory).length > 0) throw corrupt(directory, "no file `current`");
    setGeneration(directory, 1);
    return 1;
  }
  const text = readFileSync(pointer, "utf8").trim();
  if (!/^[1-9][0-9]{0,9}$/.test(text)) throw corrupt(directory, "an unreadable file `current`");
  const generation = Number(text);
  if (generation > 1 && !existsSync(databasePath(directory, generation))) {
    throw corrupt(directory, `no ${generation}.sqlite`);
  }
  return generation;
}

/** Durable when it returns. */
export function setGeneration(directory: string, generation: number): void {
  const next = join(directory, POINTER_NEXT);
  writeFileSync(next, `${generation}\n`, { mode: 0o600 });
  syncPath(next);
  renameSync(next, join(directory, POINTER));
  syncPath(directory);
}

/** A number above every one in use, also when `current` is lost. */
export function nextGeneration(directory: string): number {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const numbers = databaseFiles(directory).map((name) => Number.parseInt(name, 10));
  return Math.max(0, ...numbers) + 1;
}

/** Removes what other generations and interrupted installations left. */
export function removeOtherGenerations(directory: string, generation: number): void {
  for (const name of databaseFiles(directory)) {
    if (!name.startsWith(`${generation}.`)) rmSync(join(directory, name), { force: true });
  }
}

/** The database is not to be opened again, for this reason. Durable when it returns. */
export function condemnDatabase(directory: string, reason: string): void {
  writeFileSync(join(directory, CONDEMNED), `${reason}\n`, { mode: 0o600 });
  syncPath(join(directory, CONDEMNED));
  syncPath(directory);
}

/** An empty database takes the place of a damaged one, which may be all there is of what it holds: it is kept aside. */
export function startAnew(directory: string, generation: number): void {
  syncPath(databasePath(directory, generation));
  setOthersAside(directory, generation);
  setGeneration(directory, generation);
}

/** A whole database takes the place of all others. */
export function supersede(directory: string, generation: number): void {
  syncPath(databasePath(directory, generation));
  syncPath(directory);
  setGeneration(directory, generation);
  removeOtherGenerations(directory, generation);
  removeSetAside(directory);
}

function setOthersAside(directory: string, generation: number): void {
  for (const name of databaseFiles(directory)) {
    if (name.startsWith(`${generation}.`)) continue;
    renameSync(join(directory, name), join(directory, `${DAMAGED_PREFIX}${name}`));
  }
  rmSync(join(directory, CONDEMNED), { force: true });
  syncPath(directory);
}

/** What was set aside is on another replica or in the log. */
export function removeSetAside(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (name.startsWith(DAMAGED_PREFIX)) rmSync(join(directory, name), { force: true });
  }
}

export function databasePath(directory: string, generation: number): string {
  return join(directory, `${generation}.sqlite`);
}

export function syncPath(path: string): void {
  const handle = openSync(path, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function databaseFiles(directory: string): string[] {
  return readdirSync(directory).filter((name) => /^[0-9]+\.(sqlite|incoming)/.test(name));
}

function corrupt(directory: string, found: string): MyceliumError {
  return new MyceliumError(
    "STATE_CORRUPT",
    `Cannot open the database in ${directory}: found ${found}; it is replaced by a copy from another replica, or filled from the log`,
  );
}
