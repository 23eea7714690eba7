/** The configuration as each part wants it. */

import type { LinkLimits } from "../adapters/link/index.ts";
import type { Config } from "../domain/config/index.ts";
import { CONSENSUS_SETTINGS, type ConsensusSettings } from "../runtime/consensus/index.ts";
import type { GatewayLimits } from "../runtime/gateway/index.ts";
import { SHARD_LIMITS, type ShardLimits } from "../runtime/store/index.ts";

/** Raft looks at the time at least this often, and twice in a heartbeat. More often costs an idle node CPU. */
const TICK_MAX_MS = 50;
/**
 * A peer whose clock is off must get as far as being told so. The proof is bound to its TLS session, so that a
 * wide window gives nobody anything.
 */
const PROOF_WINDOW_MINUTES = 60;
/** The WAN profile's times are five times those of a LAN. */
const WAN_PINGS: Partial<LinkLimits> = { pingIntervalMs: 2_500, pingTimeoutMs: 5_000 };

export function consensusSettings(config: Config): ConsensusSettings {
  return {
    ...CONSENSUS_SETTINGS,
    tickMs: Math.max(1, Math.min(TICK_MAX_MS, Math.floor(config.heartbeatIntervalMs / 2))),
    heartbeatMs: config.heartbeatIntervalMs,
    electionMs: config.electionTimeoutMinMs,
  };
}

export function shardLimits(config: Config): ShardLimits {
  return {
    ...SHARD_LIMITS,
    writeDeadlineMs: config.writeTimeoutMs,
    interactiveTotalMs: config.transactionTimeoutMs,
    interactiveWaitingMax: config.maxTransactions,
    checkIntervalMs: config.checkIntervalMs,
  };
}

export function gatewayLimits(config: Config): Partial<GatewayLimits> {
  return {
    readDeadlineMs: config.readTimeoutMs,
    writeDeadlineMs: config.writeTimeoutMs,
    streamCountMax: config.maxTransactions,
  };
}

export function linkLimits(config: Config): Partial<LinkLimits> {
  return {
    connectionCountMax: config.connectionLimit,
    dialTimeoutMs: config.connectionTimeoutMs,
    retryInitialMs: config.replicationRetryInitialMs,
    retryMaxMs: config.replicationRetryMaxMs,
    retryMultiplier: config.replicationRetryMultiplier,
    proofWindowMinutes: PROOF_WINDOW_MINUTES,
    ...(config.profile === "wan" ? WAN_PINGS : {}),
  };
}
