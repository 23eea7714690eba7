/**
 * Takes a node off the list for good. It goes out of every Raft group first: once it is off the list its links are cut,
 * and a group that still counts its vote could be left without a quorum for ever, as one of two voters would be.
 */

import { type GroupId, MyceliumError, type NodeId } from "../base/index.ts";
import type { Clock } from "../ports/index.ts";
import type { MemberStore, Membership } from "../runtime/membership/index.ts";
import { type ExitParts, groupStillWith } from "./group-exit.ts";

const POLL_MS = 50;
const TIMEOUT_MS = 15_000;

export interface RemovalParts extends ExitParts {
  readonly membership: Membership;
  readonly store: MemberStore;
  readonly clock: Clock;
}

/** Throws NOT_A_MEMBER, NO_QUORUM when it cannot be taken out of a group, and what `SqlService.write` throws. */
export async function removeMember(parts: RemovalParts, node: NodeId): Promise<void> {
  const { clock, membership, store } = parts;
  await membership.refresh();
  // One that left may have been on its way out by a removal whose end nobody saw.
  const isListed = membership.member(node) !== undefined;
  if (!isListed && !membership.isRevoked(node)) throw unknown(node);
  if (isListed) await store.beginLeave(node);
  await untilOut(parts, node);
  await store.remove(node, "removed", clock.wallMs());
}

async function untilOut(parts: RemovalParts, node: NodeId): Promise<void> {
  const { clock } = parts;
  const endMs = clock.monotonicMs() + TIMEOUT_MS;
  for (;;) {
    const group = await groupStillWith(parts, node);
    if (group === null) return;
    if (clock.monotonicMs() >= endMs) throw stillIn(node, group);
    await new Promise<void>((resolve) => clock.after(POLL_MS, resolve));
  }
}

function unknown(node: NodeId): MyceliumError {
  return new MyceliumError(
    "NOT_A_MEMBER",
    `Cannot remove ${node}: there is no such member; \`mycelium node list\` shows them`,
  );
}

function stillIn(node: NodeId, group: GroupId): MyceliumError {
  return new MyceliumError(
    "NO_QUORUM",
    `Cannot remove ${node} yet: after ${TIMEOUT_MS / 1_000} s it is still a replica of shard ${group}, which needs ` +
      "more than half of its vote weight to let it go; it is marked as leaving; run the same command again when " +
      "more voters are reachable",
  );
}
