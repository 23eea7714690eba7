/** Opens a shard's database for its loop. */

import { errorCodeOf, messageOf } from "../../base/index.ts";
import type { ShardDatabase, ShardPosition } from "../../ports/index.ts";

/** A damaged database is emptied, and `damage` says why: the caller has it filled from another replica. */
export async function openOrReset(
  database: ShardDatabase,
): Promise<{ readonly position: ShardPosition; readonly damage: string | null }> {
  try {
    return { position: await database.open(), damage: null };
  } catch (error) {
    if (errorCodeOf(error) !== "STATE_CORRUPT") throw error;
    return { position: await database.reset(), damage: messageOf(error) };
  }
}
