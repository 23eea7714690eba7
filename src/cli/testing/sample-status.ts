/** A status with everything in it. For tests. */

import { asNetworkId, asNodeId } from "../../base/index.ts";
import type { Status } from "../../domain/api/index.ts";

export const NODE_A = asNodeId("12D3KooWKnbrQRoyxGkhUyLTfWA3mFzGU5s5HWqjvSWSKKBV2Tfy");
export const NODE_B = asNodeId("12D3KooWD2vSqZzzy1bXFYvQNHQNoQS2Bxtqvh5mC4F5jS8gcV8k");

export const SAMPLE_STATUS: Status = {
  node: {
    id: NODE_A,
    class: "sclerotium",
    role: "validator",
    tier: 0,
    voteWeight: 4,
    version: "0.1.0",
    uptimeMs: 3_723_000,
    state: "monitoring",
  },
  network: { id: asNetworkId("ab".repeat(32)), name: "home" },
  listen: {
    sqlUrl: "http://127.0.0.1:8080",
    http: "0.0.0.0:8080",
    peer: "0.0.0.0:9090",
    gossip: "0.0.0.0:9091",
  },
  raft: {
    leader: NODE_A,
    term: 3,
    groups: [
      {
        id: "main",
        role: "leader",
        leader: NODE_A,
        term: 3,
        commit: 120,
        applied: 119,
        last: 121,
        replicas: [
          { node: NODE_A, weight: 4, voter: true, match: 121, lag: 0 },
          { node: NODE_B, weight: 4, voter: true, match: 100, lag: 21 },
        ],
      },
    ],
  },
  store: {
    applied: 119,
    lag: 1,
    shards: [{ name: "main", applied: 119, lag: 1, sizeBytes: 40_960, readOnly: null }],
    stateDirectory: "/var/lib/mycelium",
    diskFreeBytes: 5_368_709_120,
  },
  peers: [
    {
      id: NODE_B,
      class: "sclerotium",
      role: "validator",
      tier: 1,
      voteWeight: 4,
      link: "down",
      addresses: ["192.168.1.7:9090"],
      version: "0.1.0",
      roundTripMs: null,
      unseenMs: 65_000,
      lastError: "connection refused",
    },
  ],
  spores: { authority: "primary", latent: 2, cached: 2, gossipPeers: 1, seeds: [] },
  memoryBytes: 80_000_000,
  healthy: false,
  problems: [
    {
      severity: "fault",
      what: "Writes have stopped",
      why: "2 of 2 voters are needed and 12D3…cV8k is away",
      todo: "start it, or add a third node",
    },
  ],
};
