/** The network that all samples speak of: three genesis nodes and a joiner, with fixed keys and times. */

import {
  asGroupId,
  asLogIndex,
  asReplicaId,
  asRequestId,
  asTerm,
  type NodeId,
} from "../../../src/base/index.ts";
import type { NodeKey, SignedPart } from "../../../src/domain/identity/index.ts";
import { encodeConfiguration, makeConfiguration } from "../../../src/domain/raft/index.ts";
import { keyOf, NOW_MS, SporeWorld } from "../../../src/domain/spore/testing/spore-world.ts";

export { NOW_MS };

export const world = new SporeWorld(3);
export const { network } = world;
export const [leader, second, third] = world.keys as [NodeKey, NodeKey, NodeKey];
export const joiner = keyOf(40);
export const tokenKey = keyOf(50);

export const MAIN = asGroupId("main");
export const SYSTEM = asGroupId("system");

export const index = asLogIndex;
export const term = asTerm;
export const requestId = asRequestId;

export function filled(sizeBytes: number, value: number): Uint8Array {
  return new Uint8Array(sizeBytes).fill(value);
}

export function hex(value: string): string {
  return value.repeat(64).slice(0, 64);
}

/** With every list in use: voters, outgoing ones, a learner. */
export const configuration: Uint8Array = encodeConfiguration(
  makeConfiguration({
    voters: [
      { replica: asReplicaId(leader.nodeId), weight: 2 },
      { replica: asReplicaId(second.nodeId), weight: 1 },
    ],
    outgoing: [{ replica: asReplicaId(leader.nodeId), weight: 1 }],
    learners: [asReplicaId(third.nodeId)],
  }),
);

export const part: SignedPart = { payload: filled(5, 7), signature: filled(64, 8) };

export const ids: readonly NodeId[] = world.keys.map(({ nodeId }) => nodeId);
