/** Opens what the disk holds: reads all segments, settles on metadata, and cuts each group before what is missing. */

import { asLogIndex, MyceliumError } from "../../base/index.ts";
import type { Disk, DiskFile } from "./disk.ts";
import type { GroupMetadata, LogMetadata } from "./metadata.ts";
import { PositionList } from "./position-list.ts";
import { LogScan, type ScannedGroup } from "./scan.ts";
import {
  DATA_START,
  readHead,
  Segment,
  type SegmentHead,
  segmentName,
  sequenceOfName,
} from "./segment.ts";
import { newer, VoteFile, votesLost } from "./vote-file.ts";

interface GroupRecovery {
  readonly metadata: GroupMetadata;
  readonly positions: PositionList;
  readonly replaceCount: number;
  readonly replacedFrom: number;
}

export interface Recovery {
  readonly voteFile: VoteFile;
  /** Null when nothing was ever written. */
  readonly metadata: LogMetadata | null;
  /** Ascending. No more is written to them. */
  readonly segments: readonly Segment[];
  readonly groups: readonly GroupRecovery[];
  readonly damagedSegments: readonly number[];
}

interface FoundSegment {
  readonly head: SegmentHead;
  readonly file: DiskFile;
}

export function recover(disk: Disk): Recovery {
  const sequences = disk
    .list()
    .map(sequenceOfName)
    .filter((sequence) => sequence !== null);
  const found = openSegments(
    disk,
    sequences.sort((a, b) => a - b),
  );
  const voteFile = VoteFile.open(disk, found.length > 0);
  const scan = new LogScan();
  const segments = found.map((each, i) => readSegment(scan, each, found[i + 1]?.head));
  const metadata = newer(voteFile.found, scan.metadata);
  if ((metadata?.sequence ?? 0) < scan.metadataSequenceSynced) {
    throw votesLost("the newest votes are damaged both in the log and in the file of votes");
  }
  const groups = (metadata?.groups ?? []).map((group) =>
    recoverGroup(group, scan.groups.get(group.number)),
  );
  countLive(segments, groups);
  const damaged = groups.some((group, i) => group.metadata !== metadata?.groups[i]);
  return {
    voteFile,
    metadata: metadata && {
      ...metadata,
      sequence: metadata.sequence + (damaged ? 1 : 0),
      groups: groups.map((group) => group.metadata),
    },
    segments,
    groups,
    damagedSegments: scan.damagedSegments,
  };
}

function openSegments(disk: Disk, sequences: readonly number[]): FoundSegment[] {
  const found: FoundSegment[] = [];
  for (const [i, sequence] of sequences.entries()) {
    const name = segmentName(sequence);
    const file = disk.open(name);
    const head = readHead(file.read(0, DATA_START));
    if (head !== null && head.sequence === sequence) {
      found.push({ head, file });
      continue;
    }
    const isUnused = i === sequences.length - 1 && isZeroFrom(file, DATA_START);
    file.close();
    if (!isUnused) {
      throw new MyceliumError(
        "STATE_CORRUPT",
        `Cannot open the log: both heads of segment ${name} are damaged; ` +
          "wipe this node's state and let it join again",
      );
    }
    disk.remove(name);
  }
  return found;
}

/** A segment whose head was never synced has no batch: its creation was cut short. */
function isZeroFrom(file: DiskFile, offset: number): boolean {
  return file.read(offset, file.sizeBytes() - offset).every((byte) => byte === 0);
}

function readSegment(scan: LogScan, found: FoundSegment, next: SegmentHead | undefined): Segment {
  const { head, file } = found;
  const segment = new Segment(head, file);
  const follows = next !== undefined && next.sequence === head.sequence + 1;
  const knownEnd = follows ? next.previousEnd : null;
  const bytes = file.read(0, knownEnd ?? file.sizeBytes());
  segment.end = scan.readSegment(bytes, head, knownEnd);
  if (knownEnd === null) writeAgain(file, bytes, scan.knownSyncedUpTo, segment.end);
  segment.syncedUpTo = segment.end;
  return segment;
}

/**
 * What a process wrote before it was killed, or before its sync failed, is read back from the kernel's memory and may
 * not be on the disk. Whoever hears of an entry or a vote relies on it, so it is made durable before; written once
 * more, because after a failed sync another one would report success without writing anything.
 */
function writeAgain(file: DiskFile, bytes: Uint8Array, from: number, end: number): void {
  if (from < end) file.write(bytes.subarray(from, end), from);
  file.sync();
}

function recoverGroup(metadata: GroupMetadata, scanned: ScannedGroup | undefined): GroupRecovery {
  const snapshotIndex = metadata.snapshot.index;
  const positions = scanned?.positions ?? new PositionList(snapshotIndex + 1);
  let replaceCount = scanned?.replaceCount ?? 0;
  let replacedFrom = 0;
  let damagedUpTo = metadata.damagedUpTo;
  positions.dropUpTo(snapshotIndex);
  const cut = firstUnusable(positions, metadata);
  if (cut !== null) {
    if (!cut.isVoid) damagedUpTo = asLogIndex(Math.max(positions.last, damagedUpTo ?? 0));
    positions.truncateFrom(cut.index);
    replaceCount++;
    replacedFrom = cut.isVoid ? 0 : cut.index;
  }
  const changed = damagedUpTo !== metadata.damagedUpTo;
  return {
    metadata: changed ? { ...metadata, damagedUpTo } : metadata,
    positions,
    replaceCount,
    replacedFrom,
  };
}

/** The first entry that is missing, or void because the log was reset after it. */
function firstUnusable(
  positions: PositionList,
  metadata: GroupMetadata,
): { readonly index: number; readonly isVoid: boolean } | null {
  const { since, snapshot } = metadata;
  if (positions.first > snapshot.index + 1) return { index: snapshot.index + 1, isVoid: false };
  for (let index = positions.first; index <= positions.last; index++) {
    const position = positions.at(index);
    if (position === null) return { index, isVoid: false };
    const isVoid =
      position.segment < since.segment ||
      (position.segment === since.segment && position.offset < since.offset);
    if (isVoid) return { index, isVoid: true };
  }
  return null;
}

function countLive(segments: readonly Segment[], groups: readonly GroupRecovery[]): void {
  const bySequence = new Map(segments.map((segment) => [segment.head.sequence, segment]));
  for (const { positions } of groups) {
    for (let index = positions.first; index <= positions.last; index++) {
      const position = positions.at(index);
      const segment = position === null ? undefined : bySequence.get(position.segment);
      if (position === null || segment === undefined) continue;
      segment.liveCount++;
      segment.liveBytes += position.sizeBytes;
    }
  }
}
