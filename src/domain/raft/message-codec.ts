/**
 * Messages as CBOR arrays: [kind, sender's life, receiver's life, term, fields...]. Node ids are not on the wire: the
 * link proved who sends, so a message cannot claim another sender. Anything of the wrong form is MALFORMED.
 */

import {
  assert,
  type LogIndex,
  type NodeId,
  nodeOfReplica,
  type ReplicaId,
  replicaOfNode,
  type Term,
} from "../../base/index.ts";
import { bytes, type CborValue, flag, integer, malformed } from "../wire/index.ts";
import { decodeConfiguration } from "./configuration.ts";
import type { EntryKind, LogEntry } from "./entry.ts";
import type { Message } from "./message.ts";

/** Terms and indexes beyond this are not real: at a million a second it takes 8 years to get there. */
export const INDEX_MAX = 2 ** 48;
export const ENTRY_BYTES_MAX = 16 * 1_024 * 1_024;
export const ENTRIES_PER_MESSAGE_MAX = 65_536;
const CONFIGURATION_BYTES_MAX = 64 * 1_024;
const LIFE_MAX = 1_000_000;

const KINDS = [
  "voteRequest",
  "voteResponse",
  "append",
  "appendResponse",
  "heartbeat",
  "heartbeatResponse",
  "snapshotOffer",
  "timeoutNow",
  "readRequest",
  "readResponse",
] as const satisfies readonly Message["kind"][];
const KIND_NUMBER = new Map<string, number>(KINDS.map((kind, number) => [kind, number]));
const ENTRY_KINDS = ["noop", "configuration", "command"] as const satisfies readonly EntryKind[];

const natural = integer(0, INDEX_MAX);
const kindNumber = integer(0, KINDS.length - 1);
const entryKindNumber = integer(0, ENTRY_KINDS.length - 1);
const life = integer(0, LIFE_MAX);
const entryPayload = bytes(ENTRY_BYTES_MAX);
const configurationPayload = bytes(CONFIGURATION_BYTES_MAX);

/** A value for `encodeCbor`, so that many messages share one frame. */
export function packMessage(message: Message): CborValue {
  const kind = KIND_NUMBER.get(message.kind) ?? 0;
  const from = lifeOfReplica(message.from);
  const to = lifeOfReplica(message.to);
  return [kind, from, to, message.term, ...fieldsOf(message)];
}

/** Throws MALFORMED. `from` is the node the link belongs to, `to` this one. */
export function unpackMessage(value: unknown, from: NodeId, to: NodeId): Message {
  if (!Array.isArray(value)) throw malformed("raft message", "a list", value);
  const kind = KINDS[kindNumber(value[0], "raft message kind")];
  assert(kind !== undefined, "a kind in range has a name");
  const head = {
    from: replicaOfNode(from, life(value[1], "raft message sender")),
    to: replicaOfNode(to, life(value[2], "raft message receiver")),
    term: natural(value[3], "raft message term") as Term,
  };
  return messageOf(kind, head, value);
}

/** What a message weighs in a frame, roughly. */
export function messageSizeBytes(message: Message): number {
  const base = 64;
  if (message.kind === "snapshotOffer") return base + message.snapshot.configuration.length;
  if (message.kind !== "append") return base;
  let sizeBytes = base;
  for (const entry of message.entries) sizeBytes += entry.payload.length + 16;
  return sizeBytes;
}

function fieldsOf(message: Message): CborValue[] {
  switch (message.kind) {
    case "voteRequest":
      return [message.preVote, message.transfer, message.lastIndex, message.lastTerm];
    case "voteResponse":
      return [message.preVote, message.granted];
    case "append": {
      const entries = message.entries.map(packEntry);
      return [message.prevIndex, message.prevTerm, message.commit, entries];
    }
    case "appendResponse":
      return message.rejected
        ? [message.index, true, message.hintIndex, message.hintTerm, message.damaged]
        : [message.index, false];
    case "heartbeat":
      return [message.commit, message.round, message.wantsReply];
    case "heartbeatResponse":
      return [message.round];
    case "snapshotOffer":
      return [message.snapshot.index, message.snapshot.term, message.snapshot.configuration];
    case "timeoutNow":
      return [];
    case "readRequest":
      return [message.context];
    case "readResponse":
      return [message.context, message.index];
  }
}

function messageOf(
  kind: Message["kind"],
  head: { readonly from: ReplicaId; readonly to: ReplicaId; readonly term: Term },
  value: readonly unknown[],
): Message {
  const fields = new Fields(kind, value);
  switch (kind) {
    case "voteRequest":
      return {
        kind,
        ...head,
        preVote: fields.isSet(4),
        transfer: fields.isSet(5),
        lastIndex: fields.index(6),
        lastTerm: fields.term(7),
      };
    case "voteResponse":
      return { kind, ...head, preVote: fields.isSet(4), granted: fields.isSet(5) };
    case "append": {
      const prevIndex = fields.index(4);
      const prevTerm = fields.term(5);
      const entries = unpackEntries(value[7], prevIndex, prevTerm, head.term);
      return { kind, ...head, prevIndex, prevTerm, commit: fields.index(6), entries };
    }
    case "appendResponse": {
      const rejected = fields.isSet(5);
      return {
        kind,
        ...head,
        index: fields.index(4),
        rejected,
        hintIndex: rejected ? fields.index(6) : (0 as LogIndex),
        hintTerm: rejected ? fields.term(7) : (0 as Term),
        damaged: rejected && fields.isSet(8),
      };
    }
    case "heartbeat":
      return {
        kind,
        ...head,
        commit: fields.index(4),
        round: fields.number(5),
        wantsReply: fields.isSet(6),
      };
    case "heartbeatResponse":
      return { kind, ...head, round: fields.number(4) };
    case "snapshotOffer": {
      const configuration = configurationPayload(value[6], kind);
      decodeConfiguration(configuration);
      return {
        kind,
        ...head,
        snapshot: { index: fields.index(4), term: fields.term(5), configuration },
      };
    }
    case "timeoutNow":
      return { kind, ...head };
    case "readRequest":
      return { kind, ...head, context: fields.number(4) };
    case "readResponse":
      return { kind, ...head, context: fields.number(4), index: fields.index(5) };
  }
}

/** The fields of a message by their place in its list. */
class Fields {
  readonly #kind: string;
  readonly #values: readonly unknown[];

  constructor(kind: string, values: readonly unknown[]) {
    this.#kind = kind;
    this.#values = values;
  }

  number(at: number): number {
    return natural(this.#values[at], this.#kind);
  }

  index(at: number): LogIndex {
    return this.number(at) as LogIndex;
  }

  term(at: number): Term {
    return this.number(at) as Term;
  }

  isSet(at: number): boolean {
    return flag(this.#values[at], this.#kind);
  }
}

function packEntry(entry: LogEntry): CborValue {
  return [entry.term, ENTRY_KINDS.indexOf(entry.kind), entry.payload];
}

function unpackEntries(
  value: unknown,
  prevIndex: LogIndex,
  prevTerm: Term,
  messageTerm: Term,
): readonly LogEntry[] {
  if (!Array.isArray(value) || value.length > ENTRIES_PER_MESSAGE_MAX) {
    throw malformed("raft entries", `a list of at most ${ENTRIES_PER_MESSAGE_MAX}`, value);
  }
  let term = prevTerm;
  return value.map((packed: unknown, i) => {
    const entry = unpackEntry(packed, (prevIndex + 1 + i) as LogIndex);
    if (entry.term < term || entry.term > messageTerm) {
      throw malformed("raft entries", "terms that never fall nor pass the leader's", entry.term);
    }
    term = entry.term;
    return entry;
  });
}

function unpackEntry(packed: unknown, index: LogIndex): LogEntry {
  if (!Array.isArray(packed)) throw malformed("raft entry", "a list", packed);
  const term = natural(packed[0], "raft entry term") as Term;
  const kind = ENTRY_KINDS[entryKindNumber(packed[1], "raft entry kind")];
  assert(kind !== undefined, "an entry kind in range has a name");
  // A copy: logs keep entries for long, and a view would keep the whole frame they came in.
  const payload = entryPayload(packed[2], "raft entry payload").slice();
  // Checked here, because a replica uses a configuration as soon as it is in its log.
  if (kind === "configuration") decodeConfiguration(payload);
  return { index, term, kind, payload };
}

/** The number behind "#" in a replica's id; 0 without one. */
function lifeOfReplica(replica: ReplicaId): number {
  const node = nodeOfReplica(replica);
  if (replica.length === node.length) return 0;
  const number = Number(replica.slice(node.length + 1));
  assert(Number.isSafeInteger(number) && number >= 0, "a replica id has no life", replica);
  return number;
}
