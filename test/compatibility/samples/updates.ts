/** Updates: releases as their publisher describes them, chunks, slots, plans and what nodes report. */

import { packShipped } from "../../../build/launcher.ts";
import { fromUtf8, utf8 } from "../../../src/base/index.ts";
import {
  canonicalJson,
  decodeChunkIndex,
  decodePlan,
  decodeReport,
  encodeChunkIndex,
  encodePlan,
  encodeReport,
  formatSlotRecord,
  type NodeReport,
  parseShippedTrailer,
  parseSlotRecord,
  type RolloutPlan,
  readChannelFile,
  readRelease,
  TRAILER_SIZE_BYTES,
} from "../../../src/domain/update/index.ts";
import {
  decodeChunkRequest,
  decodeHave,
  decodeHolding,
  encodeChunkRequest,
  encodeHave,
  encodeHolding,
} from "../../../src/runtime/update/chunk-protocol.ts";
import {
  type Peers,
  RemoteRollout,
  RolloutServer,
} from "../../../src/runtime/update/rollout-access.ts";
import type { RolloutStore, SignedReport } from "../../../src/runtime/update/rollout-store.ts";
import { openReport, signReport } from "../../../src/runtime/update/signed-report.ts";
import type { Sample } from "../sample.ts";
import { certificate, DECIDED } from "./decisions.ts";
import { filled, hex, leader, NOW_MS, second, third } from "./world.ts";

const VERSION = "0.2.0";
const REPORT: NodeReport = {
  node: second.nodeId,
  plan: "update-1",
  phase: "staging",
  arch: "arm64",
  version: "0.1.0",
  coreSha256: hex("a"),
  standbyVersion: VERSION,
  standbyCoreSha256: hex("b"),
  sqlite: "3.53.4",
  progress: 40,
  windowOpen: false,
  reason: "its window is shut",
};
const SIGNED_REPORT: SignedReport = signReport(second, REPORT, 7);
const PLAN: RolloutPlan = {
  id: "update-1",
  operation: 1,
  kind: "update",
  version: VERSION,
  channel: "stable",
  notes: "Faster joins",
  digest: DECIDED,
  cores: [
    { arch: "x64", coreSha256: hex("a") },
    { arch: "arm64", coreSha256: hex("b") },
  ],
  stateFormat: 1,
  changesSqlite: true,
  only: [third.nodeId],
  state: "rolling",
  reason: "",
  waves: 1,
  nodes: [
    {
      node: third.nodeId,
      phase: "switched",
      wave: 0,
      granted: true,
      version: VERSION,
      progress: 100,
      windowOpen: true,
      reason: "",
    },
    {
      node: second.nodeId,
      phase: "waiting",
      wave: null,
      granted: false,
      version: "0.1.0",
      progress: 40,
      windowOpen: false,
      reason: "its window is shut",
    },
  ],
  finalised: false,
  createdAtMs: NOW_MS,
  certificate: certificate(),
};

/** What a node without a replica of `system` sends. */
async function sentBy(act: (access: RemoteRollout) => Promise<unknown>): Promise<Uint8Array> {
  const { promise, resolve } = Promise.withResolvers<Uint8Array>();
  const peers: Peers = {
    validators: () => [leader.nodeId],
    request: async (_to, _method, payload) => {
      resolve(payload);
      return Uint8Array.of(1);
    },
  };
  await act(new RemoteRollout(second.nodeId, peers));
  return promise;
}

/** What a validator takes it for. */
async function served(method: string, payload: Uint8Array): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const store = {
    report: async (report: unknown) => resolve({ report }),
    claim: async (report: unknown, at: unknown) => {
      resolve({ report, at });
      return true;
    },
    file: async (path: unknown) => {
      resolve({ path });
      return null;
    },
  };
  const server = new RolloutServer(store as unknown as RolloutStore);
  const [taken] = await Promise.all([promise, server.handle(second.nodeId, method, payload)]);
  return taken;
}

const ACCESS = "runtime/update/rollout-access.ts RemoteRollout";
const rolloutSamples: readonly Sample[] = [
  {
    name: "rollout plan",
    form: "cbor",
    writers: ["domain/update/rollout-plan.ts encodePlan"],
    write: () => encodePlan(PLAN),
    read: decodePlan,
  },
  {
    name: "report of a node",
    form: "cbor",
    writers: ["domain/update/rollout-plan.ts encodeReport"],
    write: () => encodeReport(REPORT),
    read: decodeReport,
  },
  {
    name: "signed report of a node",
    form: "other",
    writers: ["runtime/update/signed-report.ts signReport"],
    write: () => Buffer.concat([SIGNED_REPORT.part.signature, SIGNED_REPORT.part.payload]),
    read: (bytes) => {
      const part = { signature: bytes.slice(0, 64), payload: bytes.slice(64) };
      return openReport({ node: second.nodeId, seq: 7, part });
    },
  },
  {
    name: "update.report",
    form: "cbor",
    writers: [ACCESS],
    write: () => sentBy((access) => access.report(SIGNED_REPORT)),
    read: (bytes) => served("update.report", bytes),
  },
  {
    name: "update.claim",
    form: "cbor",
    writers: [ACCESS],
    write: () => sentBy((access) => access.claim(SIGNED_REPORT, { operation: 1, revision: 4 })),
    read: (bytes) => served("update.claim", bytes),
  },
  {
    name: "update.file",
    form: "cbor",
    writers: [ACCESS],
    write: () => sentBy((access) => access.file("metadata/timestamp.json")),
    read: (bytes) => served("update.file", bytes),
  },
  {
    name: "update.plan answer",
    form: "cbor",
    writers: ["runtime/update/rollout-access.ts RolloutServer"],
    write: () => {
      const rows = { operation: 1, revision: 4, plan: PLAN, reports: [SIGNED_REPORT] };
      const store = { read: async () => rows } as unknown as RolloutStore;
      return new RolloutServer(store).handle(second.nodeId, "update.plan", new Uint8Array());
    },
    read: (bytes) => {
      const peers: Peers = { validators: () => [leader.nodeId], request: async () => bytes };
      return new RemoteRollout(second.nodeId, peers).read();
    },
  },
];

const chunkSamples: readonly Sample[] = [
  {
    name: "update.have",
    form: "cbor",
    writers: ["runtime/update/chunk-protocol.ts encodeHave"],
    write: () => encodeHave(hex("a")),
    read: decodeHave,
  },
  {
    name: "update.have answer",
    form: "cbor",
    writers: ["runtime/update/chunk-protocol.ts encodeHolding"],
    write: () => encodeHolding({ whole: false, bitmap: filled(5, 0xa5) }),
    read: decodeHolding,
  },
  {
    name: "update.chunk",
    form: "cbor",
    writers: ["runtime/update/chunk-protocol.ts encodeChunkRequest"],
    write: () => encodeChunkRequest({ core: hex("a"), offset: 2 ** 27, sizeBytes: 65_536 }),
    read: decodeChunkRequest,
  },
  {
    name: "chunk index",
    form: "json",
    writers: ["domain/update/chunk-index.ts encodeChunkIndex"],
    write: () => {
      const first = { sha256: hex("a"), sizeBytes: 65_536, packOffset: 0, packSizeBytes: 900 };
      const last = { sha256: hex("b"), sizeBytes: 20_000, packOffset: 900, packSizeBytes: 20_100 };
      return encodeChunkIndex({
        version: VERSION,
        coreSha256: hex("c"),
        coreSizeBytes: 151_072,
        chunks: [first, last, first],
      });
    },
    read: decodeChunkIndex,
  },
];

const CORE = utf8("a core that compresses, a core that compresses");
const releaseSamples: readonly Sample[] = [
  {
    name: "trailer of a shipped file",
    form: "other",
    writers: ["../build/launcher.ts packShipped"],
    write: () =>
      packShipped({
        launcher: utf8("a launcher"),
        core: CORE,
        machine: "x64",
        version: VERSION,
        stateFormat: 1,
        compression: "quick",
      }).slice(-TRAILER_SIZE_BYTES),
    read: parseShippedTrailer,
  },
  {
    name: "custom fields of a shipped file",
    form: "json",
    writers: ["domain/update/release.ts releaseDigest"],
    write: () =>
      canonicalJson({
        arch: "x64",
        builtAt: NOW_MS,
        channel: "stable",
        coreSha256: hex("a"),
        coreSize: 115_000_000,
        minProtocol: 1,
        protocol: 1,
        sqlite: "3.53.4",
        stateFormat: 1,
        version: VERSION,
      }),
    read: (bytes) => {
      const custom: unknown = JSON.parse(fromUtf8(bytes));
      const file = { length: 38_000_000, hashes: { sha256: hex("b") }, custom };
      const channel = { version: VERSION, notes: "" };
      return readRelease(channel, "stable", (name) => (name.endsWith("x64") ? file : null));
    },
  },
  {
    name: "channel file",
    form: "json",
    writers: [],
    write: () => utf8(JSON.stringify({ version: VERSION, notes: "Faster joins\nand more" })),
    read: (bytes) => readChannelFile("channels/stable.json", bytes),
  },
  {
    name: "record of the slots",
    form: "other",
    writers: ["domain/update/slot-record.ts formatSlotRecord"],
    write: () =>
      utf8(
        formatSlotRecord({
          active: { sha256: hex("a"), version: VERSION, stateFormat: 1 },
          standby: { sha256: hex("b"), version: "0.1.0", stateFormat: 1 },
          state: "trial",
          boots: 2,
          trialSinceMs: NOW_MS,
          floor: 1,
          payload: hex("b"),
          refused: hex("c"),
          reason: "it did not confirm within 300 s",
          checkedActive: {
            sizeBytes: 115_000_000n,
            mtimeNs: 1_800_000_000_000_000_001n,
            inode: 7n,
          },
          checkedStandby: { sizeBytes: 0n, mtimeNs: 0n, inode: 0n },
          unknown: ["later-line of a newer launcher"],
        }),
      ),
    read: (bytes) => parseSlotRecord(fromUtf8(bytes)),
  },
];

export const updateSamples: readonly Sample[] = [
  ...rolloutSamples,
  ...chunkSamples,
  ...releaseSamples,
];
