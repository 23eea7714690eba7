/** What a simulated process is given by its plan and its machine. */

import { EMPTY_BYTES } from "../../src/base/index.ts";
import { CONSENSUS_SETTINGS, type ConsensusSettings } from "../../src/runtime/consensus/index.ts";
import { SHARD_LIMITS, type ShardLimits } from "../../src/runtime/store/index.ts";
import type { Machine } from "./machine.ts";
import type { Plan } from "./plan.ts";

/** Small, so that one snapshot takes many messages. */
const SNAPSHOT_CHUNK_BYTES = 4_096;

/** Quick, so that tables are checked in every storm. */
const CHECK_LIMITS = {
  checkIntervalMs: 4_000,
  checkGapMinMs: 100,
  checkIdleMs: 2_000,
  checkAnswerMs: 5_000,
  checkDoubtMs: 500,
};

export function consensusSettingsOf(plan: Plan): ConsensusSettings {
  return {
    ...CONSENSUS_SETTINGS,
    trailingEntries: plan.trailingCount,
    compactMinEntries: 1,
    electionMs: plan.electionMs,
    heartbeatMs: Math.min(100, plan.electionMs / 3),
    raft: { appendBytesMax: plan.appendBytesMax, inflightCountMax: plan.inflightCountMax },
  };
}

export function shardLimitsOf(plan: Plan): ShardLimits {
  return {
    ...SHARD_LIMITS,
    checkpointMs: plan.checkpointMs,
    retryMs: plan.retryMs,
    snapshotChunkBytes: SNAPSHOT_CHUNK_BYTES,
    ...CHECK_LIMITS,
  };
}

export function helloOf(machine: Machine) {
  return {
    node: machine.node,
    instance: machine.processName,
    protocolVersion: "1.0",
    minProtocolVersion: "1.0",
    features: [],
    grant: machine.state?.grant ?? EMPTY_BYTES,
    wallMs: machine.host.wallMs(),
    addresses: machine.address === null ? [] : [machine.address],
  };
}

/** In place of a signature: nobody here lies, and bytes that changed on the way are still found. */
export function checksum(payload: Uint8Array): Uint8Array {
  let mix = payload.length;
  for (const byte of payload) mix = Math.imul(mix ^ byte, 0x0100_0193) >>> 0;
  const signature = new Uint8Array(64);
  new DataView(signature.buffer).setUint32(0, mix);
  return signature;
}
