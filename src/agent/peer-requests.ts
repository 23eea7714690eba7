/** Routes other members' requests to whoever answers them: a shard's methods, or the member list. */

import { MyceliumError, type NodeId } from "../base/index.ts";
import { encodeCbor } from "../domain/wire/index.ts";
import type { Discovery } from "../runtime/discovery/index.ts";
import type { MemberStore, Membership } from "../runtime/membership/index.ts";
import { methodPrefixOf, type Shard } from "../runtime/store/index.ts";
import { SYSTEM } from "./groups.ts";

/** For members that hold no replica of `system`, and for those that were out of it for long. */
export const MEMBERS_METHOD = "members/list";
/** For members that cannot write: says that the sender leaves. */
export const LEAVE_METHOD = "members/leave";

/** From a member that lost its log: the answer is the number of its next life as a replica. */
export const NEXT_LIFE_METHOD = "members/next-life";

/** Answers the methods it serves. */
export interface Answerer {
  serves(method: string): boolean;
  handle(from: NodeId, method: string, payload: Uint8Array): Promise<Uint8Array>;
}

export function answerPeer(
  from: NodeId,
  method: string,
  payload: Uint8Array,
  parts: {
    readonly shards: readonly Shard[];
    readonly membership: Membership;
    readonly store: MemberStore | null;
    readonly discovery: Discovery | null;
    /** Besides members, spores and shards. */
    readonly others: readonly Answerer[];
  },
): Promise<Uint8Array> {
  if (method === MEMBERS_METHOD) return Promise.resolve(parts.membership.encodedList());
  if (method === LEAVE_METHOD && parts.store !== null) {
    return parts.store.beginLeave(from).then(() => new Uint8Array(0));
  }
  if (method === NEXT_LIFE_METHOD && parts.store !== null) {
    return parts.store.beginReplicaLife(from).then((life) => encodeCbor(life));
  }
  if (parts.discovery?.serves(method) === true)
    return parts.discovery.handle(from, method, payload);
  const other = parts.others.find((one) => one.serves(method));
  if (other !== undefined) return other.handle(from, method, payload);
  const shard = parts.shards.find((one) => one.serves(method));
  const isOfSystem = method.startsWith(methodPrefixOf(SYSTEM));
  if (isOfSystem && !parts.membership.isValidator(from)) {
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
