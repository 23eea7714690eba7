/** Bits flipped and files cut short on the disk of one killed node: mended from its peers, and never served. */

import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Random } from "../../src/base/index.ts";
import type { ClusterNode } from "../cluster/cluster-node.ts";
import { type Fault, hold, nameOf, pick, pickNode } from "./fault.ts";
import { verifyPrefix } from "./verify.ts";

const MEND_TIMEOUT_MS = 30_000;
const FLIPS_MAX = 8;

/** What is damaged. Keys and grants are not: nobody else has them. */
const TARGETS: Readonly<Record<string, RegExp>> = {
  log: /^log\/\d+\.log$/,
  votes: /^log\/votes$/,
  database: /^mycelium\.db\/\d+\.sqlite$/,
  "write-ahead log": /^mycelium\.db\/\d+\.sqlite-wal$/,
  "system database": /^mycelium\.system\.db\/\d+\.sqlite(-wal)?$/,
  "database pointer": /^mycelium\.(system\.)?db\/current$/,
};

export const damage: Fault = async (context) => {
  const { random, note, cluster, workload, violated } = context;
  const node = await pickNode(context, 0.4);
  await node.kill();
  await hold(context, 0, 300);
  const target = pick(random, Object.keys(TARGETS));
  const files = filesOf(node).filter((name) => TARGETS[target]?.test(name));
  if (files.length === 0) throw new Error(`${node.state} has no file for ${target}`);
  const name = pick(random, files);
  const isVotes = target === "votes";
  const what = damageFile(join(node.state, name), name, random, isVotes ? 1 : FLIPS_MAX);
  note(`${nameOf(context, node)}: ${what}`);
  node.start();
  const startedMs = performance.now();
  // It may be behind for a while, but what it gives must be the beginning of what is.
  for (let isWhole = false; !isWhole; ) {
    const problem = await verifyPrefix({ cluster, workload, violated }, node);
    isWhole = problem === null;
    if (!isWhole && performance.now() - startedMs > MEND_TIMEOUT_MS) {
      return violated(
        `${name} was not mended in ${MEND_TIMEOUT_MS / 1_000} s: ${problem}\n${node.lastLog(5)}`,
      );
    }
    if (!isWhole) await Bun.sleep(50);
  }
};

function filesOf(node: ClusterNode): string[] {
  return readdirSync(node.state, { recursive: true })
    .map(String)
    .filter(
      (name) => existsSync(join(node.state, name)) && statSync(join(node.state, name)).size > 0,
    );
}

/**
 * Cuts the file short one time in four, else flips some bits where it is not empty. What was done. With one flip at
 * most, it is one bit: the two copies of the votes are not to be damaged both.
 */
function damageFile(path: string, name: string, random: Random, flipsMax: number): string {
  const sizeBytes = statSync(path).size;
  if (flipsMax > 1 && random.below(4) === 0) {
    const keptBytes = random.below(sizeBytes);
    truncateSync(path, keptBytes);
    return `${name} cut from ${sizeBytes} to ${keptBytes} bytes`;
  }
  const used = usedOffsets(path, sizeBytes);
  const flips = Array.from({ length: 1 + random.below(flipsMax) }, () => {
    const from = used[random.below(used.length)] ?? 0;
    return { offset: from + random.below(Math.min(512, sizeBytes - from)), bit: random.below(8) };
  });
  const file = openSync(path, "r+");
  try {
    const byte = new Uint8Array(1);
    for (const { offset, bit } of flips) {
      readSync(file, byte, 0, 1, offset);
      byte[0] = (byte[0] ?? 0) ^ (1 << bit);
      writeSync(file, byte, 0, 1, offset);
    }
  } finally {
    closeSync(file);
  }
  return `${name} (${sizeBytes} bytes) flipped at ${flips.map(({ offset }) => offset)}`;
}

/** Where sectors that are not all zero begin: a log's file is mostly a hole. */
function usedOffsets(path: string, sizeBytes: number): number[] {
  const offsets: number[] = [];
  const file = openSync(path, "r");
  const sector = Buffer.alloc(512);
  for (let offset = 0; offset < sizeBytes; offset += 512) {
    const count = readSync(file, sector, 0, 512, offset);
    if (sector.subarray(0, count).some((byte) => byte !== 0)) offsets.push(offset);
  }
  closeSync(file);
  return offsets;
}
