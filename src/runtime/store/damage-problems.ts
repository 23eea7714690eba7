/** What `status` says of a shard whose database is damaged, or may be. */

import type { GroupId } from "../../base/index.ts";
import type { ShardContext } from "./shard-context.ts";
import type { StoreProblem } from "./store-status.ts";

/** Among the problems: replicas differ, and no majority says which is right. */
const DOUBT_PROBLEM = "digest";
/** Among the problems: a damaged database that nothing can replace. */
export const ONLY_COPY_PROBLEM = "only-copy";

export function fetchingProblem(shard: GroupId, why: string): StoreProblem {
  return {
    what: `shard ${shard} is fetching a fresh copy`,
    why,
    todo: "nothing: it mends itself from another replica; if it stays, check that another replica is reachable",
  };
}

/** No other replica, and a log that does not reach back far enough. */
export function noteOnlyCopy({ options, problems }: ShardContext, reason: string): void {
  const { logger, shard } = options;
  logger.error("the only copy of a database is damaged", { shard, reason });
  problems.set(ONLY_COPY_PROBLEM, {
    what: `shard ${shard}: the only copy of its database is damaged`,
    why: `${reason}; there is no other replica, and the log was cut since the beginning, so neither can fill it`,
    todo:
      "save what can still be read (reads that meet no damage are served, writes are refused; a file that cannot be " +
      "opened was kept as damaged-*.sqlite beside it), then stop the node and put a whole copy of its state " +
      "directory back, or make a new network",
  });
}

/** Why writes are refused for as long as it lasts; null while they are taken. */
export function readOnlyReason(problems: ReadonlyMap<string, StoreProblem>): string | null {
  return (problems.get(ONLY_COPY_PROBLEM) ?? problems.get(DOUBT_PROBLEM))?.why ?? null;
}

/** Without a majority for what the shard holds nothing is written, until there is one (null). True when that begins. */
export function noteDoubt(context: ShardContext, why: string | null): boolean {
  const { options, problems } = context;
  const { logger, shard } = options;
  if (why === null) {
    if (problems.delete(DOUBT_PROBLEM)) logger.warn("store takes writes again", { shard });
    return false;
  }
  const isNews = !problems.has(DOUBT_PROBLEM);
  if (isNews) logger.error("store is read-only", { shard, reason: why });
  problems.set(DOUBT_PROBLEM, {
    what: `shard ${shard} is read-only`,
    why,
    todo: "compare the replicas, keep the right one, and re-join the others (`mycelium leave --wipe`, then join)",
  });
  return isNews;
}
