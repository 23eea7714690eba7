/** For tests of this folder: whole databases of a shard, and what is asked of them. */

import {
  asGroupId,
  asLogIndex,
  asTerm,
  errorCodeOf,
  type LogIndex,
  present,
} from "../../../base/index.ts";
import type { Request } from "../../../domain/replication/index.ts";
import { partsOf } from "../../../domain/replication/testing/parts-of.ts";
import type { Clock, SnapshotMeta } from "../../../ports/index.ts";
import { brief, freshDirectory, GUARD_PATH, START_MS, sql } from "../engine-fixture.ts";
import type { EngineHost } from "../engine-host.ts";
import { InlineHost } from "../inline-host.ts";
import { SqliteShardDatabase } from "../sqlite-shard-database.ts";

export const CLOCK: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
export const READ = { role: "read", deadlineMs: 2_000, snapshot: null } as const;

let tick = 0;

export function databaseIn(
  directory: string,
  host: EngineHost,
  reserveBytes = 0,
): SqliteShardDatabase {
  const shard = asGroupId("main");
  return new SqliteShardDatabase(host, { shard, directory, guardPath: GUARD_PATH, reserveBytes });
}

export async function fresh(
  host: EngineHost = new InlineHost(),
): Promise<{ db: SqliteShardDatabase; directory: string }> {
  const directory = freshDirectory();
  const db = databaseIn(directory, host);
  await db.open();
  return { db, directory };
}

export function context() {
  tick++;
  return { timeMs: START_MS + tick, seed: new Uint8Array(16).fill(tick % 256) };
}

export async function write(db: SqliteShardDatabase, index: number, one: Request, alone = false) {
  const outcome = await db.runBatch(context(), partsOf(one), { alone, deadlineMs: 2_000 });
  if (outcome.outcomes[0]?.kind === "applied") await db.commit(asLogIndex(index));
  return present(outcome.outcomes[0], "the outcome of a write");
}

/** A table t with `rows` rows, at index 2. */
export async function filled(rows = 100, host?: EngineHost) {
  const { db, directory } = await fresh(host);
  await write(db, 1, sql("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)"), true);
  const series = `WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < ${rows})`;
  await write(db, 2, sql(`INSERT INTO t ${series} SELECT x, hex(randomblob(100)) FROM c`));
  return { db, directory };
}

export async function read(db: SqliteShardDatabase, query: string): Promise<unknown> {
  const result = await db.query(sql(query).program, READ);
  return brief(result.steps)[0];
}

export async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return errorCodeOf(error) ?? String(error);
  }
}

export function metaAt(index: LogIndex): SnapshotMeta {
  return { index, term: asTerm(3), configuration: Uint8Array.of(1, 2, 3) };
}
