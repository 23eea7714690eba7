/** Answers of the agent's local API, with every field that this release knows. */

import { fromUtf8, utf8 } from "../../../src/base/index.ts";
import {
  configViewShape,
  errorAnswerShape,
  leaveAnswerShape,
  leaveRequestShape,
  removeAnswerShape,
  type Status,
  sqlTokenAnswerShape,
  sqlTokenRequestShape,
  statusShape,
  stopAnswerShape,
  tokenAnswerShape,
  tokenRequestShape,
  type UpdateStatus,
  updateApproveRequestShape,
  updatePlanRequestShape,
  updateRollbackRequestShape,
  updateStatusShape,
} from "../../../src/domain/api/index.ts";
import type { Shape } from "../../../src/domain/wire/index.ts";
import type { Sample } from "../sample.ts";
import { hex, leader, NOW_MS, network, second, third } from "./world.ts";

const NODE = { class: "sclerotium", role: "validator", tier: 0, voteWeight: 1 } as const;
const UPDATE: UpdateStatus = {
  configured: true,
  channel: "stable",
  approval: "operator",
  node: {
    phase: "trial",
    version: "0.1.0",
    coreSha256: hex("a"),
    standby: "0.0.9",
    refused: "it did not confirm within 300 s",
    problem: null,
  },
  available: { version: "0.2.0", notes: "Faster joins" },
  checkedAtMs: NOW_MS,
  checkProblem: "the mirror does not answer",
  heldBack: "it waits for approval",
  plan: {
    id: "update-1",
    kind: "update",
    version: "0.2.0",
    channel: "stable",
    notes: "Faster joins",
    state: "rolling",
    reason: "",
    createdAtMs: NOW_MS,
    finalised: false,
    upcoming: [[second.nodeId], [leader.nodeId]],
    nodes: [
      {
        id: third.nodeId,
        phase: "healthy",
        wave: 0,
        version: "0.2.0",
        standby: "0.1.0",
        progress: 100,
        reason: "",
      },
      {
        id: second.nodeId,
        phase: "waiting",
        wave: null,
        version: "0.1.0",
        standby: null,
        progress: 40,
        reason: "",
      },
    ],
    decision: {
      operation: 1,
      phase: "closed",
      result: "decided",
      needed: 2,
      total: 3,
      toleratesLiar: false,
      participants: [{ id: leader.nodeId, weight: 1, part: "for", reason: "verified" }],
    },
  },
};
const STATUS: Status = {
  node: {
    ...NODE,
    id: leader.nodeId,
    version: "0.1.0",
    uptimeMs: 90_000,
    state: "monitoring",
  },
  network: { id: network.id, name: "home" },
  listen: {
    sqlUrl: "http://127.0.0.1:8080",
    http: "0.0.0.0:8080",
    peer: "0.0.0.0:9090",
    gossip: null,
  },
  raft: {
    leader: leader.nodeId,
    term: 5,
    groups: [
      {
        id: "main",
        role: "leader",
        leader: leader.nodeId,
        term: 5,
        commit: 12,
        applied: 12,
        last: 13,
        replicas: [
          { node: leader.nodeId, weight: 1, voter: true, match: 13, lag: 0 },
          { node: second.nodeId, weight: 0, voter: false, match: null, lag: null },
        ],
      },
    ],
  },
  store: {
    applied: 12,
    lag: 0,
    shards: [
      { name: "main", applied: 12, lag: 0, sizeBytes: 65_536, readOnly: "the disk is full" },
    ],
    stateDirectory: "/var/lib/mycelium",
    diskFreeBytes: 2 ** 36,
  },
  peers: [
    {
      ...NODE,
      id: second.nodeId,
      link: "up",
      addresses: ["10.0.0.2:9090"],
      version: "0.1.0",
      roundTripMs: 0.25,
      unseenMs: null,
      lastError: null,
    },
    {
      id: third.nodeId,
      class: "hypha",
      role: null,
      tier: 2,
      voteWeight: 0,
      link: "down",
      addresses: [],
      version: null,
      roundTripMs: null,
      unseenMs: 5_000,
      lastError: "connection refused",
    },
  ],
  spores: {
    authority: "primary",
    latent: 3,
    cached: 3,
    gossipPeers: 2,
    seeds: [{ name: "/srv/seed.cbor", writable: true, ageMs: 100, problem: null }],
  },
  memoryBytes: 90_000_000,
  update: UPDATE,
  healthy: false,
  problems: [
    {
      severity: "fault",
      what: "shard main takes no writes",
      why: "the disk is full",
      todo: "free some space",
    },
  ],
};

const PLACES = {
  requests: "domain/api/requests.ts",
  status: "domain/api/status.ts",
  update: "domain/api/update.ts",
} as const;

function api<T>(
  name: string,
  place: keyof typeof PLACES,
  [shapeName, shape]: readonly [string, Shape<T>],
  value: T,
): Sample {
  return {
    name: `local API: ${name}`,
    form: "json",
    writers: [`${PLACES[place]} ${shapeName}`],
    write: () => utf8(JSON.stringify(value)),
    read: (bytes) => shape(JSON.parse(fromUtf8(bytes)), name),
  };
}

export const localApiSamples: readonly Sample[] = [
  {
    ...api("status", "status", ["statusShape", statusShape], STATUS),
    writers: [`${PLACES.status} statusShape`, `${PLACES.status} problemShape`],
  },
  api("update status", "update", ["updateStatusShape", updateStatusShape], UPDATE),
  api("update plan request", "update", ["updatePlanRequestShape", updatePlanRequestShape], {
    version: "0.2.0",
  }),
  api(
    "update approve request",
    "update",
    ["updateApproveRequestShape", updateApproveRequestShape],
    { version: "0.2.0" },
  ),
  api(
    "update rollback request",
    "update",
    ["updateRollbackRequestShape", updateRollbackRequestShape],
    { version: "0.1.0", nodes: [second.nodeId] },
  ),
  api("token request", "requests", ["tokenRequestShape", tokenRequestShape], {
    role: "miner",
    class: "rhizomorph",
    ttlMs: 3_600_000,
    uses: 3,
  }),
  api("token answer", "requests", ["tokenAnswerShape", tokenAnswerShape], {
    token: "myc1abc",
    role: "validator",
    class: "sclerotium",
    uses: 1,
    expiresAtMs: NOW_MS,
  }),
  api("sql token request", "requests", ["sqlTokenRequestShape", sqlTokenRequestShape], {
    mode: "ro",
    ttlMs: 3_600_000,
  }),
  api("sql token answer", "requests", ["sqlTokenAnswerShape", sqlTokenAnswerShape], {
    token: "a.b.c",
    mode: "rw",
    expiresAtMs: null,
    url: "http://127.0.0.1:8080",
  }),
  api("leave request", "requests", ["leaveRequestShape", leaveRequestShape], { wipe: true }),
  api("leave answer", "requests", ["leaveAnswerShape", leaveAnswerShape], {
    left: true,
    wiped: true,
  }),
  api("remove answer", "requests", ["removeAnswerShape", removeAnswerShape], {
    removed: third.nodeId,
  }),
  api("stop answer", "requests", ["stopAnswerShape", stopAnswerShape], { stopping: true }),
  api("config", "requests", ["configViewShape", configViewShape], {
    settings: [{ name: "PORT", value: "8080", source: "default" }],
  }),
  api("error", "requests", ["errorAnswerShape", errorAnswerShape], {
    error: { code: "NO_QUORUM", message: "Cannot write: alone" },
  }),
];
