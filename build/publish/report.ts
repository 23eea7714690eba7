/** What fills the shipped file, and what an update costs a node that has the version before. */

import { readFileSync, statSync } from "node:fs";
import { type ChunkIndex, decodeChunkIndex } from "../../src/domain/update/index.ts";
import type { Artifacts } from "./artifacts.ts";

const MB = 1_000_000;

/** Lines for people. `before` is the chunk index of the version before, where there is one. */
export function report(made: Artifacts, before: ChunkIndex | null): string[] {
  const shipped = statSync(made.shippedFile).size;
  const payload = shipped - made.launcherSizeBytes;
  const index = decodeChunkIndex(readFileSync(made.indexFile));
  const lines = [
    `linux-${made.arch}: ${mb(shipped)} shipped (at most 45), ${mb(made.coreSizeBytes)} core`,
    `  launcher ${mb(made.launcherSizeBytes)}, compressed core ${mb(payload)}`,
    `  in the core: our JavaScript ${mb(made.scriptSizeBytes)}, the rest is Bun and the SQLite guard`,
    `  ${index.chunks.length} chunks, pack ${mb(statSync(made.packFile).size)}, index ${mb(statSync(made.indexFile).size)}`,
  ];
  if (before === null) return lines;
  const { count, sizeBytes } = missing(before, index);
  const update = sizeBytes + statSync(made.indexFile).size;
  lines.push(
    `  from ${before.version}: ${count} chunks differ, ${mb(sizeBytes)} compressed; with the index ${mb(update)}`,
  );
  return lines;
}

/** What a node with the core of `before` fetches of the pack. */
export function missing(before: ChunkIndex, after: ChunkIndex) {
  const known = new Set(before.chunks.map((chunk) => chunk.sha256));
  const fresh = new Map(
    after.chunks.filter(({ sha256 }) => !known.has(sha256)).map((chunk) => [chunk.sha256, chunk]),
  );
  const sizeBytes = [...fresh.values()].reduce((sum, chunk) => sum + chunk.packSizeBytes, 0);
  return { count: fresh.size, sizeBytes };
}

function mb(sizeBytes: number): string {
  return `${(sizeBytes / MB).toFixed(2)} MB`;
}
