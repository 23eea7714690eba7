/** Identifiers, branded so that one cannot be passed for another. At run time they are strings and numbers. */

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** libp2p PeerId of a node's Ed25519 key, base58btc ("12D3Koo..."). */
export type NodeId = Branded<string, "NodeId">;
/** SHA-256 of the genesis document, 64 hexadecimal digits. */
export type NetworkId = Branded<string, "NetworkId">;
/** A Raft group: the name of the shard it replicates ("system", "main"). */
export type GroupId = Branded<string, "GroupId">;
/** One life of a node in a Raft group: its node id, and after a lost state "#" and a number. */
export type ReplicaId = Branded<string, "ReplicaId">;
/** Raft term, from 0. */
export type Term = Branded<number, "Term">;
/** Position in a Raft log; the first entry has 1. */
export type LogIndex = Branded<number, "LogIndex">;
/** Chosen by a client or gateway, unique for ever, at most 64 characters. */
export type RequestId = Branded<string, "RequestId">;

export const asNodeId = (value: string): NodeId => value as NodeId;
export const asNetworkId = (value: string): NetworkId => value as NetworkId;
export const asGroupId = (value: string): GroupId => value as GroupId;
export const asReplicaId = (value: string): ReplicaId => value as ReplicaId;
export const asTerm = (value: number): Term => value as Term;
export const asLogIndex = (value: number): LogIndex => value as LogIndex;
export const asRequestId = (value: string): RequestId => value as RequestId;

/** The node a replica lives on. */
export function nodeOfReplica(replica: ReplicaId): NodeId {
  const hash = replica.indexOf("#");
  return asNodeId(hash < 0 ? replica : replica.slice(0, hash));
}

/** The `life`-th replica of a node in a group, from 0. */
export function replicaOfNode(node: NodeId, life: number): ReplicaId {
  return asReplicaId(life === 0 ? node : `${node}#${life}`);
}
