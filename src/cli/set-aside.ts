/**
 * Puts a node's state aside within its directory, so that a join that fails leaves everything as it was. Each step
 * is a rename: after a power cut the next join finds what was set aside and puts it back first.
 */

import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { syncPath } from "./sync-path.ts";

const ASIDE = "before-join";
/** The same, while it is being filled or emptied: what is still in place belongs to the old state. */
const PARTIAL = "before-join.partial";
/** What stays in place: the operator's settings, the log, the program that runs, and the key of a join without answer. */
const STAYS = new Set([
  ...[ASIDE, PARTIAL, "config.toml", "mycelium.log", "mycelium.log.1", "slots", "joining.key"],
]);

/** The node must not run. */
export function setAside(stateDirectory: string): void {
  restoreAside(stateDirectory);
  const partial = `${stateDirectory}/${PARTIAL}`;
  mkdirSync(partial, { mode: 0o700 });
  const owner = statSync(stateDirectory);
  if (process.getuid?.() === 0) chownSync(partial, owner.uid, owner.gid);
  for (const name of stateFiles(stateDirectory)) {
    renameSync(`${stateDirectory}/${name}`, `${partial}/${name}`);
  }
  syncPath(partial);
  syncPath(stateDirectory);
  renameSync(partial, `${stateDirectory}/${ASIDE}`);
  syncPath(stateDirectory);
}

/** Removes what a failed join began and puts the old state back, if one was set aside. */
export function restoreAside(stateDirectory: string): void {
  const aside = `${stateDirectory}/${ASIDE}`;
  const partial = `${stateDirectory}/${PARTIAL}`;
  if (existsSync(aside)) {
    for (const name of stateFiles(stateDirectory)) {
      rmSync(`${stateDirectory}/${name}`, { recursive: true });
    }
    syncPath(stateDirectory);
    renameSync(aside, partial);
    syncPath(stateDirectory);
  }
  if (!existsSync(partial)) return;
  for (const name of readdirSync(partial)) {
    renameSync(`${partial}/${name}`, `${stateDirectory}/${name}`);
  }
  syncPath(stateDirectory);
  rmSync(partial, { recursive: true });
}

export function discardAside(stateDirectory: string): void {
  rmSync(`${stateDirectory}/${ASIDE}`, { recursive: true, force: true });
}

function stateFiles(stateDirectory: string): readonly string[] {
  return readdirSync(stateDirectory).filter((name) => !STAYS.has(name));
}
