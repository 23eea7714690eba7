/**
 * What other nodes' replicas promised here by Raft's messages: terms, votes and acknowledged entries, each durable
 * before it was said. Told to a node that begins another life as a process: if it has no record of a promise, its
 * state directory was put back from an older copy, and it must not go on as the replica it was. Kept in memory only:
 * a promise that nobody who runs remembers cannot be missed.
 */

import {
  asGroupId,
  asLogIndex,
  asNodeId,
  asReplicaId,
  asTerm,
  type GroupId,
  type LogIndex,
  type NodeId,
  nodeOfReplica,
  type ReplicaId,
  type Term,
} from "../../base/index.ts";
import { timeShape } from "../../domain/identity/index.ts";
import type { Message } from "../../domain/raft/index.ts";
import {
  decodeCbor,
  encodeCbor,
  list,
  mapped,
  nullable,
  object,
  type Shape,
  text,
} from "../../domain/wire/index.ts";

export interface ReplicaPromise {
  readonly group: GroupId;
  readonly replica: ReplicaId;
  readonly term: Term;
  /** In that term, as far as it was said here. */
  readonly votedFor: NodeId | null;
  /** Acknowledged in that term. */
  readonly index: LogIndex;
}

/** What a replica found on its disk when its process started. */
export interface RecoveredReplica {
  readonly replica: ReplicaId;
  readonly term: Term;
  readonly votedFor: ReplicaId | null;
  readonly lastIndex: LogIndex;
  /** Entries that are known to be lost: Raft itself takes care of those. */
  readonly damagedUpTo: LogIndex | null;
}

type Said = { -readonly [Key in keyof ReplicaPromise]: ReplicaPromise[Key] };

interface Peer {
  instance: string;
  /** By the process that is linked now, and by those before it. */
  now: Map<GroupId, Said>;
  before: Map<GroupId, Said>;
}

export class PromiseBook {
  readonly #peers = new Map<NodeId, Peer>();

  /** A node is linked, as this process. What its earlier ones promised. */
  linked(node: NodeId, instance: string): readonly ReplicaPromise[] {
    const peer = this.#peers.get(node);
    if (peer === undefined) {
      this.#peers.set(node, { instance, now: new Map(), before: new Map() });
      return [];
    }
    if (peer.instance !== instance) {
      for (const [group, said] of peer.now) peer.before.set(group, said);
      peer.now = new Map();
      peer.instance = instance;
    }
    return [...peer.before.values()];
  }

  /** PERF: on the path of each message; two look-ups. */
  note(from: NodeId, group: GroupId, message: Message): void {
    const votedFor = voteIn(message);
    if (votedFor === undefined) return;
    const said = this.#peers.get(from)?.now;
    if (said === undefined) return;
    let promise = said.get(group);
    if (promise === undefined || promise.replica !== message.from) {
      promise = { group, replica: message.from, term: asTerm(0), votedFor: null, index: NONE };
      said.set(group, promise);
    }
    if (message.term < promise.term) return;
    if (message.term > promise.term) {
      promise.term = message.term;
      promise.votedFor = null;
      promise.index = NONE;
    }
    if (votedFor !== null) promise.votedFor = votedFor;
    else if (message.kind === "appendResponse" && message.index > promise.index) {
      promise.index = message.index;
    }
  }
}

const NONE = 0 as LogIndex;

/** Whom the sender voted for in the message's term; null when it does not say; undefined: it rests on no write. */
function voteIn(message: Message): NodeId | null | undefined {
  switch (message.kind) {
    case "appendResponse":
      return message.rejected ? undefined : null;
    case "voteResponse":
      return message.granted && !message.preVote ? nodeOfReplica(message.to) : undefined;
    case "voteRequest":
      return message.preVote ? undefined : nodeOfReplica(message.from);
    case "append":
      // Nobody leads a term without a vote for itself.
      return nodeOfReplica(message.from);
    default:
      return undefined;
  }
}

/** Whether a replica was started from a state that is older than what it promised before. */
export function isForgotten(promise: ReplicaPromise, found: RecoveredReplica): boolean {
  if (promise.replica !== found.replica) {
    const isSameNode = nodeOfReplica(promise.replica) === nodeOfReplica(found.replica);
    return isSameNode && lifeOf(promise.replica) > lifeOf(found.replica);
  }
  if (found.term !== promise.term) return found.term < promise.term;
  const { votedFor } = promise;
  const voted = found.votedFor === null ? null : nodeOfReplica(found.votedFor);
  if (votedFor !== null && votedFor !== voted) return true;
  return promise.index > Math.max(found.lastIndex, found.damagedUpTo ?? 0);
}

function lifeOf(replica: ReplicaId): number {
  const hash = replica.indexOf("#");
  return hash < 0 ? 0 : Number(replica.slice(hash + 1));
}

const GROUPS_MAX = 1_024;
const promisesShape: Shape<readonly ReplicaPromise[]> = list(
  object({
    group: mapped(text(64), asGroupId),
    replica: mapped(text(128), asReplicaId),
    term: mapped(timeShape, asTerm),
    votedFor: nullable(mapped(text(64), asNodeId)),
    index: mapped(timeShape, asLogIndex),
  }),
  GROUPS_MAX,
);

export function encodePromises(promises: readonly ReplicaPromise[]): Uint8Array {
  return encodeCbor(promises.slice(0, GROUPS_MAX).map((promise) => ({ ...promise })));
}

/** Throws MALFORMED. */
export function decodePromises(encoded: Uint8Array): readonly ReplicaPromise[] {
  return promisesShape(decodeCbor(encoded), "promises");
}
