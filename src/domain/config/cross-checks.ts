/** What must hold between settings. */

import { formatDurationMs } from "../../base/index.ts";
import { compareVersions } from "./compare-versions.ts";

/** The settings that are compared, by their keys in `SETTINGS`. */
export interface Comparable {
  readonly nodeType: string | null;
  readonly minerCapacityGb: number | null;
  readonly protocolVersion: string;
  readonly minProtocolVersion: string;
  readonly port: number;
  readonly p2pPort: number;
  readonly gossipPort: number | null;
  readonly gossip: boolean;
  readonly electionTimeoutMinMs: number;
  readonly heartbeatIntervalMs: number;
  readonly replicationHeartbeatIntervalMs: number;
  readonly replicationHeartbeatTimeoutMs: number;
  readonly replicationRetryInitialMs: number;
  readonly replicationRetryMaxMs: number;
}

/** GOSSIP_PORT, else the one after P2P_PORT; where that is picked by the system, so is this. */
export function gossipPortOf(values: Pick<Comparable, "gossipPort" | "p2pPort">): number {
  return values.gossipPort ?? (values.p2pPort === 0 ? 0 : values.p2pPort + 1);
}

export function crossProblems(values: Comparable): string[] {
  const problems: string[] = [];
  if (values.nodeType === "miner" && values.minerCapacityGb === null) {
    problems.push("MINER_CAPACITY: found nothing, needed the GB a miner offers (NODE_TYPE=miner)");
  }
  if ((compareVersions(values.minProtocolVersion, values.protocolVersion) ?? 0) > 0) {
    problems.push(
      `MIN_PROTOCOL_VERSION: found ${values.minProtocolVersion}, needed at most PROTOCOL_VERSION ${values.protocolVersion}`,
    );
  }
  return [...problems, ...portProblems(values), ...timeProblems(values)];
}

function portProblems(values: Comparable): string[] {
  const gossipPort = gossipPortOf(values);
  const ports = [
    ["PORT", values.port],
    ["P2P_PORT", values.p2pPort],
    ...(values.gossip ? [["GOSSIP_PORT", gossipPort] as const] : []),
  ] as const;
  const problems: string[] = [];
  for (const [i, [name, port]] of ports.entries()) {
    const same = ports.slice(0, i).find((other) => port !== 0 && other[1] === port);
    if (same) problems.push(`${name}: found ${port}, needed another port than ${same[0]}`);
  }
  if (gossipPort > 65_535) {
    problems.push(`GOSSIP_PORT: found ${gossipPort} (P2P_PORT + 1), needed at most 65535; set it`);
  }
  return problems;
}

function timeProblems(values: Comparable): string[] {
  return [
    atLeast(
      "ELECTION_TIMEOUT",
      values.electionTimeoutMinMs,
      "twice HEARTBEAT_INTERVAL",
      values.heartbeatIntervalMs * 2,
    ),
    atLeast(
      "REPLICATION_HEARTBEAT_TIMEOUT",
      values.replicationHeartbeatTimeoutMs,
      "REPLICATION_HEARTBEAT_INTERVAL",
      values.replicationHeartbeatIntervalMs,
    ),
    atLeast(
      "REPLICATION_RETRY_MAX",
      values.replicationRetryMaxMs,
      "REPLICATION_RETRY_INITIAL",
      values.replicationRetryInitialMs,
    ),
  ].flatMap((problem) => problem ?? []);
}

function atLeast(name: string, foundMs: number, bound: string, neededMs: number): string | null {
  if (foundMs >= neededMs) return null;
  const needed = `${formatDurationMs(neededMs)} (${bound})`;
  return `${name}: found ${formatDurationMs(foundMs)}, needed at least ${needed}`;
}
