/**
 * What a member that may not vote (a miner) can say in a group: it answers its leader and asks it for reads. Raft
 * trusts its voters (Raft thesis 2.1: no Byzantine faults); a member that is trusted with reading only must not be
 * able to depose a leader or to play one.
 */

import type { Term } from "../../base/index.ts";
import type { Message } from "../../domain/raft/index.ts";

const OF_EVERY_REPLICA: ReadonlySet<Message["kind"]> = new Set([
  "appendResponse",
  "heartbeatResponse",
  "readRequest",
]);

/** `term` is this replica's: a later one is first heard of from a voter. */
export function mayBeOfNonVoter(message: Message, term: Term): boolean {
  return OF_EVERY_REPLICA.has(message.kind) && message.term <= term;
}
