/** Routes other members' requests to whoever answers them: a shard's methods, or the member list. */

import { MyceliumError, type NodeId } from "../base/index.ts";
import { encodeCbor } from "../domain/wire/index.ts";
import type { Discovery } from "../runtime/discovery/index.ts";
import {
  type MemberStore,
  type Membership,
  openAnnouncement,
} from "../runtime/membership/index.ts";
import { methodPrefixOf, type Shard } from "../runtime/store/index.ts";
import { SYSTEM } from "./groups.ts";
import type { Host } from "./host.ts";
import type { NodeState } from "./node-state.ts";

/** For members that hold no replica of `system`, and for those that were out of it for long. */
export const MEMBERS_METHOD = "members/list";
/** For members that cannot write: says that the sender leaves. */
export const LEAVE_METHOD = "members/leave";

/** For members that cannot write: what the sender says of itself from now on, signed by it. */
export const ANNOUNCE_METHOD = "members/announce";

/** From a member that lost its log: the answer is the number of its next life as a replica. */
export const NEXT_LIFE_METHOD = "members/next-life";

/** Answers the methods it serves. */
export interface Answerer {
  serves(method: string): boolean;
  handle(from: NodeId, method: string, payload: Uint8Array): Promise<Uint8Array>;
}

/** What is asked of a running node. */
export interface AnsweringNode {
  readonly membership: Membership;
  readonly shards: readonly { readonly shard: Shard }[];
  readonly store: MemberStore | null;
  readonly state: Pick<NodeState, "network">;
  readonly host: Pick<Host, "clock">;
}

export function answerPeer(
  from: NodeId,
  method: string,
  payload: Uint8Array,
  parts: {
    readonly core: AnsweringNode;
    readonly discovery: Discovery | null;
    /** Besides members, spores and shards. */
    readonly others: readonly Answerer[];
  },
): Promise<Uint8Array> {
  const { membership, shards, store } = parts.core;
  if (method === MEMBERS_METHOD) return Promise.resolve(membership.encodedList());
  if (method === LEAVE_METHOD && store !== null) {
    return store.beginLeave(from).then(() => new Uint8Array(0));
  }
  if (method === ANNOUNCE_METHOD && store !== null)
    return announce(from, payload, parts.core, store);
  if (method === NEXT_LIFE_METHOD && store !== null) {
    return store.beginReplicaLife(from).then((life) => encodeCbor(life));
  }
  if (parts.discovery?.serves(method) === true)
    return parts.discovery.handle(from, method, payload);
  const other = parts.others.find((one) => one.serves(method));
  if (other !== undefined) return other.handle(from, method, payload);
  const shard = shards.find((one) => one.shard.serves(method))?.shard;
  const isOfSystem = method.startsWith(methodPrefixOf(SYSTEM));
  if (isOfSystem && !membership.isValidator(from)) {
    // Tokens, grants and who was removed: miners hold no replica of it and are told the member list alone.
    return Promise.reject(
      new MyceliumError("FORBIDDEN", `Cannot answer ${method.slice(0, 64)}: it is for validators`),
    );
  }
  if (shard !== undefined) return shard.handle(from, method, payload);
  return Promise.reject(
    new MyceliumError(
      "BAD_ARGUMENT",
      `Cannot answer ${method.slice(0, 64)}: this node holds no replica of that shard, or is of another version`,
    ),
  );
}

async function announce(
  from: NodeId,
  payload: Uint8Array,
  core: AnsweringNode,
  store: MemberStore,
): Promise<Uint8Array> {
  const said = openAnnouncement(payload, core.state.network.id, from);
  return encodeCbor(await store.announce(from, said, core.host.clock.wallMs()));
}
