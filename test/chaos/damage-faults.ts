/** Bits flipped and files cut short on the disk of one node: mended from its peers, and never served. */

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
import { type Fault, type FaultContext, hold, nameOf, pick, pickNode } from "./fault.ts";
import { verifyPrefix } from "./verify.ts";

const FLIPS_MAX = 8;

/** Of a running node. SQLite checks frames of its WAL when it opens it only. */
const LIVE_TARGETS = ["log", "database", "system database file"] as const;

/** What is damaged. Keys and grants are not: nobody else has them. */
const TARGETS: Readonly<Record<string, RegExp>> = {
  log: /^log\/\d+\.log$/,
  votes: /^log\/votes$/,
  database: /^mycelium\.db\/\d+\.sqlite$/,
  "write-ahead log": /^mycelium\.db\/\d+\.sqlite-wal$/,
  "system database file": /^mycelium\.system\.db\/\d+\.sqlite$/,
  "system database": /^mycelium\.system\.db\/\d+\.sqlite(-wal)?$/,
  "database pointer": /^mycelium\.(system\.)?db\/current$/,
};

/** A killed node starts with damaged files; one time in four a running one is damaged, and started again later. */
export const damage: Fault = async (context) => {
  const { random } = context;
  const node = await pickNode(context, 0.4);
  const isLive = random.below(4) === 0;
  if (!isLive) await node.kill();
  await hold(context, 0, 300);
  const target = pick(random, isLive ? LIVE_TARGETS : Object.keys(TARGETS));
  const name = pick(
    random,
    filesOf(node).filter((file) => TARGETS[target]?.test(file)),
  );
  const kinds = {
    flipsMax: target === "votes" ? 1 : FLIPS_MAX,
    mayCut: !isLive && target !== "votes",
  };
  const what = damageFile(join(node.state, name), name, random, kinds);
  context.note(`${nameOf(context, node)}${isLive ? ", running" : ""}: ${what}`);
  if (!isLive) node.start();
  await untilMended(context, node, name);
  if (!isLive) return;
  // What nothing has read yet is found by the next start.
  await node.kill();
  node.start();
  await untilMended(context, node, name);
};

/** It may be behind for a while, but what it gives must be the beginning of what is. */
async function untilMended(context: FaultContext, node: ClusterNode, name: string): Promise<void> {
  const startedMs = performance.now();
  for (;;) {
    const problem = await verifyPrefix(context, node);
    if (problem === null) return;
    if (performance.now() - startedMs > context.healTimeoutMs) {
      const seconds = context.healTimeoutMs / 1_000;
      return context.violated(
        `${name} was not mended in ${seconds} s: ${problem}\n${node.lastLog(5)}`,
      );
    }
    await Bun.sleep(50);
  }
}

function filesOf(node: ClusterNode): string[] {
  return readdirSync(node.state, { recursive: true })
    .map(String)
    .filter(
      (name) => existsSync(join(node.state, name)) && statSync(join(node.state, name)).size > 0,
    );
}

interface DamageKinds {
  readonly flipsMax: number;
  readonly mayCut: boolean;
}

/** Cuts the file short one time in four, else flips some bits where it is not empty. What was done. */
function damageFile(
  path: string,
  name: string,
  random: Random,
  { flipsMax, mayCut }: DamageKinds,
): string {
  const sizeBytes = statSync(path).size;
  if (mayCut && random.below(4) === 0) {
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
