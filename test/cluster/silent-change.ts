/** A change of a node's database as by a fault below SQLite that keeps every page's checksum right. */

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { openConnection } from "../../src/adapters/sqlite/connection.ts";

/** `bun run build` makes it. */
const GUARD = resolve(import.meta.dir, `../../dist/native-${process.arch}/guard.so`);

/** Of shard `main`, in a node's state directory. */
export function databaseFile(state: string): string {
  const shard = join(state, "mycelium.db");
  return join(shard, `${readFileSync(join(shard, "current"), "utf8").trim()}.sqlite`);
}

/** Nobody sees it but who compares. How many rows it changed. */
export function changeInSilence(state: string, sql: string): number {
  const options = { guardPath: GUARD, readOnly: false, cacheSizeBytes: 65_536 };
  const db = openConnection(databaseFile(state), options);
  try {
    return Number(db.prepare(sql).run().changes);
  } finally {
    db.close();
  }
}
