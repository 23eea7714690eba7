/** What this node sees of the leader of shard `system`, and can do about it, when votes are kept out of the log. */

import { asTerm, errorCodeOf, messageOf } from "../base/index.ts";
import type { LeaderWatch } from "../runtime/decision/index.ts";
import type { Core } from "./core.ts";
import { SYSTEM } from "./groups.ts";

/** Between validators: a vote that misses in the log, or who withholds it. */
export const WITHHELD_METHOD = "decisions/withheld";

const TELL_TIMEOUT_MS = 5_000;

export function leaderWatch(core: Core): LeaderWatch {
  return {
    following: () => following(core),
    tell: (payload) => tell(core, payload),
    disown: (term, reason) => core.consensus.disown(SYSTEM, asTerm(term), reason),
  };
}

/** Nobody is blamed for what this node or the shard suffers from. */
function following({ consensus, grant, links, shards }: Core) {
  const group = consensus.groupStatus(SYSTEM);
  const shard = shards.find(({ id }) => id === SYSTEM)?.shard.status();
  if (group === null || shard === undefined) return null;
  const { appliedIndex, commitIndex, leader, term } = group;
  const isWell = shard.problems.length === 0 && shard.readOnly === null && !shard.resyncing;
  if (!isWell || leader === null || leader === grant.member || !links.isUp(leader)) return null;
  return { leader, term, commitIndex, appliedIndex };
}

function tell({ grant, host, links, membership, transport }: Core, payload: Uint8Array): void {
  for (const { id, role } of membership.members()) {
    if (role !== "validator" || id === grant.member || !links.isUp(id)) continue;
    transport.request(id, WITHHELD_METHOD, payload, TELL_TIMEOUT_MS).catch((error: unknown) => {
      if (errorCodeOf(error) === undefined) return host.onFatal(error);
      host.logger.debug("a missing vote was not told", { node: id, reason: messageOf(error) });
    });
  }
}
