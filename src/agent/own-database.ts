/**
 * A shard's database belongs to one network. One that another network's node left behind (a leave that was cut short,
 * a DATABASE_PATH outside the state directory) must never be taken for this one's: its applied index would have this
 * node skip what the log says, and answer with foreign data. So each directory is marked, and a stranger's set aside.
 */

import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import type { StateDirectory } from "../adapters/state/index.ts";
import { type NetworkId, utf8 } from "../base/index.ts";
import type { Logger } from "../ports/index.ts";

const MARK = "network";

/** What is kept of a network that was left has this in its name. */
export function leftSuffix(network: string): string {
  return `left-${network.slice(0, 8)}-${Date.now()}`;
}

/** Makes the database directory `path` this network's. */
export function ownDatabase(
  directory: StateDirectory,
  path: string,
  network: NetworkId,
  logger: Logger,
): void {
  const mark = directory.read(join(path, MARK));
  const found = mark === null ? null : Buffer.from(mark).toString("latin1").trim();
  if (found === network) return;
  if (found !== null) {
    const kept = `${path}.${leftSuffix(found)}`;
    renameSync(path, kept);
    logger.warn("set aside the database of another network", { path, kept });
  }
  if (!existsSync(path)) mkdirSync(path, { recursive: true, mode: 0o700 });
  directory.write(join(path, MARK), utf8(`${network}\n`));
}
