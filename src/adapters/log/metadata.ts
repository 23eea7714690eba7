/**
 * What the log must know besides entries: terms, votes, snapshots. Written whole, with a sequence number, to the
 * vote file and into the stream, so that damage to either loses nothing.
 */

import {
  asGroupId,
  asLogIndex,
  asReplicaId,
  asTerm,
  type GroupId,
  type LogIndex,
} from "../../base/index.ts";
import {
  bytes,
  decodeCbor,
  encodeCbor,
  integer,
  list,
  mapped,
  nullable,
  object,
  text,
} from "../../domain/wire/index.ts";
import type { HardState, SnapshotMeta } from "../../ports/index.ts";

/** A place in the stream. */
export interface StreamPosition {
  readonly segment: number;
  readonly offset: number;
}

export interface GroupMetadata {
  readonly group: GroupId;
  /** Stands for the group in records; never given twice. */
  readonly number: number;
  readonly hardState: HardState;
  readonly snapshot: SnapshotMeta;
  /** Entries of the group before this place are void: the log was reset there. */
  readonly since: StreamPosition;
  readonly damagedUpTo: LogIndex | null;
}

export interface LogMetadata {
  /** Counts every change; the highest one found holds. */
  readonly sequence: number;
  readonly nextNumber: number;
  readonly groups: readonly GroupMetadata[];
}

export const GROUP_COUNT_MAX = 1_024;
const CONFIGURATION_BYTES_MAX = 1 << 20;
const ID_LENGTH_MAX = 256;

const index = mapped(integer(), asLogIndex);
const term = mapped(integer(), asTerm);
const id = text(ID_LENGTH_MAX);

const groupShape = object({
  group: mapped(id, asGroupId),
  number: integer(1, 0xffff),
  hardState: object({ term, votedFor: nullable(mapped(id, asReplicaId)) }),
  snapshot: object({ index, term, configuration: bytes(CONFIGURATION_BYTES_MAX) }),
  since: object({ segment: integer(), offset: integer() }),
  damagedUpTo: nullable(index),
});

const metadataShape = object({
  sequence: integer(1),
  nextNumber: integer(1),
  groups: list(groupShape, GROUP_COUNT_MAX),
});

export function encodeMetadata(metadata: LogMetadata): Uint8Array {
  const groups = metadata.groups.map((group) => ({
    group: group.group,
    number: group.number,
    hardState: { term: group.hardState.term, votedFor: group.hardState.votedFor },
    snapshot: {
      index: group.snapshot.index,
      term: group.snapshot.term,
      configuration: group.snapshot.configuration,
    },
    since: { segment: group.since.segment, offset: group.since.offset },
    damagedUpTo: group.damagedUpTo,
  }));
  return encodeCbor({ sequence: metadata.sequence, nextNumber: metadata.nextNumber, groups });
}

/** Throws MALFORMED. */
export function decodeMetadata(encoded: Uint8Array): LogMetadata {
  return metadataShape(decodeCbor(encoded), "log metadata");
}
