/** Makes a file that was fetched from a peer this replica's own database, before it is swapped in. */

import { equalBytes, MyceliumError } from "../../base/index.ts";
import type { SnapshotMeta } from "../../ports/index.ts";
import { openConnection } from "./connection.ts";
import { hashFile } from "./copy-engine.ts";
import { syncPath } from "./generation.ts";
import { createStoreTables, readPosition, writeInstalled } from "./store-tables.ts";

/** Throws MALFORMED when the file is not what `sha256` and `meta` say. Synced when it returns. */
export function adoptSnapshot(
  options: { readonly path: string; readonly guardPath: string; readonly cacheSizeBytes: number },
  meta: SnapshotMeta,
  sha256: Uint8Array,
): void {
  if (!equalBytes(hashFile(options.path), sha256)) throw refused("other bytes than announced");
  const db = openConnection(options.path, { ...options, readOnly: false });
  try {
    createStoreTables(db);
    const { appliedIndex } = readPosition(db);
    if (appliedIndex > meta.index) throw refused(`index ${appliedIndex}, needed ${meta.index}`);
    const [verdict] = db.prepare("PRAGMA quick_check(1)").get() as unknown as [string];
    if (verdict !== "ok") throw refused(`damage (${verdict})`);
    writeInstalled(db, meta);
    db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  } finally {
    db.close();
  }
  syncPath(options.path);
}

function refused(found: string): MyceliumError {
  return new MyceliumError(
    "MALFORMED",
    `Cannot install the snapshot: found ${found}; it is fetched again`,
  );
}
