/**
 * Brings the core of a release into the standby slot: its chunk index, what the cores on disk have of it, and the rest
 * from peers and the origin; checked as a whole when it is there.
 */

import { zstdDecompressSync } from "node:zlib";
import { MyceliumError, type Random } from "../../base/index.ts";
import {
  type Architecture,
  CHUNK_INDEX_SIZE_MAX,
  type ChunkIndex,
  decodeChunkIndex,
  type ReleaseTarget,
  type StagingProgress,
  targetNames,
} from "../../domain/update/index.ts";
import type {
  Clock,
  CoreStaging,
  Logger,
  Metrics,
  ReleaseSource,
  SlotStore,
  StagedCore,
} from "../../ports/index.ts";
import type { PartialCore } from "./chunk-server.ts";
import { CoreDownload, DOWNLOAD_LIMITS, type DownloadParts } from "./core-download.ts";
import { MissingChunks, type PlacedChunk } from "./missing-chunks.ts";

type ChunkSource = Pick<ReleaseSource, "read" | "readRange" | "download" | "discardDownloads">;

export interface StagingParts extends Pick<DownloadParts, "peers" | "request" | "originFirst"> {
  readonly slots: SlotStore;
  /** Null where this node looks for no releases: peers are all it has. */
  readonly source: ChunkSource | null;
  /** Lets peers have what is here of the core that is being fetched; null when that is over. */
  share(partial: PartialCore | null): void;
  readonly arch: Architecture;
  readonly random: Random;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

type Report = (progress: StagingProgress) => void;

/** Rejects with DISK_FULL, UNREACHABLE, UPDATE_REFUSED; what was fetched is kept for the next try. */
export async function stageRelease(
  target: ReleaseTarget,
  parts: StagingParts,
  report: Report,
): Promise<void> {
  const { slots } = parts;
  const index = await readIndex(target, parts);
  const core = {
    sha256: target.coreSha256,
    version: target.version,
    stateFormat: target.stateFormat,
    sizeBytes: target.coreSizeBytes,
  };
  const staging = await slots.openStaging(core, index.chunks);
  if (isShippedSmaller(target, index, staging, parts)) {
    await staging.close();
    return stageShipped(target, core, parts, report);
  }
  parts.share({
    sha256: core.sha256,
    chunkCount: index.chunks.length,
    has: (position) => staging.has(position),
    read: (offset, sizeBytes) => staging.read(offset, sizeBytes),
  });
  try {
    await fetchMissing(target, index, staging, parts, report);
    await staging.finish();
  } finally {
    parts.share(null);
    await staging.close();
  }
}

/**
 * A node that has hardly anything of the core, and nobody to share with: the shipped file is compressed as a whole. With
 * peers chunks are better, because what came is served at once.
 */
function isShippedSmaller(
  target: ReleaseTarget,
  { chunks }: ChunkIndex,
  staging: CoreStaging,
  { peers, random, source }: StagingParts,
): boolean {
  if (source === null || peers().length > 0) return false;
  const missing = new MissingChunks(chunks, (position) => staging.has(position), random);
  return missing.packBytes > target.shippedSizeBytes;
}

async function stageShipped(
  target: ReleaseTarget,
  core: StagedCore,
  { source, slots, arch, metrics }: StagingParts,
  report: Report,
): Promise<void> {
  if (source === null) return;
  const { version, coreSha256, shippedSizeBytes, coreSizeBytes } = target;
  const progress = (originBytes: number, doneBytes: number): void =>
    report({
      version,
      coreSha256,
      totalBytes: coreSizeBytes,
      doneBytes,
      localBytes: 0,
      peerBytes: 0,
      originBytes,
    });
  progress(0, 0);
  const path = await source.download(targetNames(version, arch).shipped, (sizeBytes) => {
    const share = Math.min(1, sizeBytes / shippedSizeBytes);
    progress(sizeBytes, Math.floor(share * coreSizeBytes));
  });
  metrics.count("mycelium_update_fetched_bytes", shippedSizeBytes, { from: "origin" });
  await slots.stageShipped(core, path);
  await source.discardDownloads();
  progress(shippedSizeBytes, coreSizeBytes);
}

/** The index is signed as a target; that it is one of this very core is checked here. */
async function readIndex(target: ReleaseTarget, parts: StagingParts): Promise<ChunkIndex> {
  const { source, arch } = parts;
  if (source === null) {
    throw new MyceliumError(
      "UNREACHABLE",
      "Cannot stage a release: nothing says where releases come from; set UPDATE_URL",
    );
  }
  const { chunks } = targetNames(target.version, arch);
  const index = decodeChunkIndex(await source.read(chunks, CHUNK_INDEX_SIZE_MAX));
  const { coreSha256, coreSizeBytes } = index;
  if (coreSha256 === target.coreSha256 && coreSizeBytes === target.coreSizeBytes) return index;
  throw new MyceliumError(
    "UPDATE_REFUSED",
    `Cannot stage version ${target.version}: its chunk index is of core ${coreSha256} (${coreSizeBytes} bytes), the ` +
      `release names ${target.coreSha256} (${target.coreSizeBytes} bytes)`,
  );
}

async function fetchMissing(
  target: ReleaseTarget,
  { chunks }: ChunkIndex,
  staging: CoreStaging,
  parts: StagingParts,
  report: Report,
): Promise<void> {
  const { metrics, random } = parts;
  const localBytes = chunks.reduce(
    (sum, { sizeBytes }, position) => sum + (staging.has(position) ? sizeBytes : 0),
    0,
  );
  let progress: StagingProgress = {
    version: target.version,
    coreSha256: target.coreSha256,
    totalBytes: target.coreSizeBytes,
    doneBytes: localBytes,
    localBytes,
    peerBytes: 0,
    originBytes: 0,
  };
  report(progress);
  const missing = new MissingChunks(chunks, (position) => staging.has(position), random);
  const download = new CoreDownload({
    ...parts,
    coreSha256: target.coreSha256,
    missing,
    store: async (chunk, bytes, from) => {
      if (!(await staging.write(chunk.position, bytes))) return false;
      const costBytes = from === "origin" ? chunk.packSizeBytes : chunk.sizeBytes;
      metrics.count("mycelium_update_fetched_bytes", costBytes, { from });
      progress = {
        ...progress,
        doneBytes: progress.doneBytes + chunk.sizeBytes,
        [`${from}Bytes`]: progress[`${from}Bytes`] + costBytes,
      };
      report(progress);
      return true;
    },
    readOrigin: (run) => readOrigin(target, run, parts),
    limits: DOWNLOAD_LIMITS,
  });
  await download.run();
  report({ ...progress, doneBytes: target.coreSizeBytes });
}

/** One range of the pack, each chunk in a frame of its own. The hash of each is checked by whoever stores it. */
async function readOrigin(
  { version }: ReleaseTarget,
  run: readonly PlacedChunk[],
  { source, arch }: StagingParts,
): Promise<readonly (Uint8Array | null)[]> {
  const first = run[0];
  const last = run.at(-1);
  if (source === null || first === undefined || last === undefined) return [];
  const sizeBytes = last.packOffset + last.packSizeBytes - first.packOffset;
  const { pack } = targetNames(version, arch);
  const bytes = await source.readRange(pack, first.packOffset, sizeBytes);
  return run.map(({ packOffset, packSizeBytes, sizeBytes: plainBytes }) => {
    const start = packOffset - first.packOffset;
    return unpack(bytes.subarray(start, start + packSizeBytes), plainBytes);
  });
}

/** Null for what is no zstd frame, or one of another size: a frame may claim to hold any amount. */
function unpack(frame: Uint8Array, sizeBytes: number): Uint8Array | null {
  try {
    const bytes = new Uint8Array(zstdDecompressSync(frame, { maxOutputLength: sizeBytes }));
    return bytes.length === sizeBytes ? bytes : null;
  } catch {
    return null;
  }
}
