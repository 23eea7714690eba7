/** What shards log, execute and ask each other: programs, bundles, batches, results, snapshots, digests. */

import { type GroupId, MyceliumError } from "../../../src/base/index.ts";
import { sign } from "../../../src/domain/identity/index.ts";
import {
  type Bundle,
  decodeBatch,
  decodeBundle,
  encodeBatch,
  encodeBundle,
  type SignedBundle,
} from "../../../src/domain/replication/index.ts";
import {
  decodeProgram,
  decodeProgramResult,
  decodeStatementResult,
  encodeProgram,
  encodeProgramResult,
  encodeStatementResult,
  type Program,
  type ProgramResult,
  packValues,
  type SqlValue,
  unpackValues,
} from "../../../src/domain/sql/index.ts";
import { encodeCbor } from "../../../src/domain/wire/index.ts";
import type { ShardOptions } from "../../../src/runtime/store/options.ts";
import {
  decodeAnswers,
  decodeComparison,
  decodeSigned,
  decodeSnapshotInfo,
  digestAnswer,
  digestCompare,
  digestGet,
  digestReport,
  digestVerdict,
  encodeAnswers,
  encodeCompare,
  encodeComparison,
  encodeSigned,
  encodeSnapshotInfo,
  encodeVerdict,
  snapshotOpen,
  snapshotRead,
  txBegin,
  txClose,
  txSeal,
  txStep,
} from "../../../src/runtime/store/rpc.ts";
import { RemoteLane } from "../../../src/runtime/store/write-transaction.ts";
import type { Form, Sample } from "../sample.ts";
import {
  configuration,
  filled,
  index,
  leader,
  MAIN,
  NOW_MS,
  requestId,
  second,
  term,
} from "./world.ts";

const RPC = "runtime/store/rpc.ts";
const VALUES: readonly SqlValue[] = [null, -(2n ** 63n), 1.5, "größer", filled(3, 255), 1n, 1];

/** Every kind of condition, named and positional arguments, with and without rows. */
const PROGRAM: Program = {
  steps: [
    {
      statement: { sql: "INSERT INTO t VALUES (?)", args: VALUES, namedArgs: [], wantRows: false },
      condition: null,
    },
    {
      statement: {
        sql: "SELECT :a, @b, $c",
        args: [],
        namedArgs: [
          [":a", 1n],
          ["@b", null],
          ["c", "x"],
        ],
        wantRows: true,
      },
      condition: {
        type: "and",
        conds: [
          { type: "ok", step: 0 },
          { type: "not", cond: { type: "error", step: 0 } },
          { type: "or", conds: [{ type: "is_autocommit" }] },
        ],
      },
    },
  ],
};
const RESULT: ProgramResult = {
  steps: [
    {
      ok: true,
      result: {
        columns: [
          { name: "id", decltype: "INTEGER" },
          { name: "count(*)", decltype: null },
        ],
        rows: [
          [1n, null],
          [2.5, "x"],
        ],
        affectedRowCount: 2,
        lastInsertRowid: 7n,
      },
    },
    {
      ok: false,
      error: { code: "SQLITE_CONSTRAINT_UNIQUE", extendedCode: 2067, message: "UNIQUE failed" },
    },
    null,
  ],
  autocommit: true,
};
const BUNDLE: Bundle = {
  author: leader.nodeId,
  shard: MAIN,
  hybridTimeMs: NOW_MS,
  requests: (["read", "write", "system"] as const).map((role, i) => ({
    id: requestId(`request-${i}`),
    role,
    program: PROGRAM,
  })),
};

function signedBundle(): SignedBundle {
  const payload = encodeBundle(BUNDLE);
  return { payload, signature: sign(leader, payload) };
}

/** What the lane sends to the leader. */
async function sentBy(act: (lane: RemoteLane) => Promise<unknown>): Promise<Uint8Array> {
  const { promise, resolve } = Promise.withResolvers<Uint8Array>();
  const request = async (_to: string, _method: string, payload: Uint8Array) => {
    resolve(payload);
    return encodeCbor({ id: "7" });
  };
  const limits = { retryMs: 1, forwardTimeoutMs: 1 };
  const options = { peers: { request }, shard: MAIN as GroupId, limits };
  await act(new RemoteLane(options as unknown as ShardOptions, leader.nodeId)).catch(() => {});
  return promise;
}

function rpc(
  name: string,
  writer: string,
  write: Sample["write"],
  read: Sample["read"],
  form: Form = "cbor",
): Sample {
  return { name, form, writers: [writer], write, read };
}

const LANE = "runtime/store/write-transaction.ts RemoteLane";
const messageSamples: readonly Sample[] = [
  rpc("store submit", `${RPC} encodeSigned`, () => encodeSigned(signedBundle()), decodeSigned),
  rpc(
    "store submit answer",
    `${RPC} encodeAnswers`,
    () =>
      encodeAnswers([
        { ok: true, result: RESULT },
        { ok: false, error: new MyceliumError("NOT_LEADER", "Cannot write: another leads") },
      ]),
    decodeAnswers,
  ),
  rpc("store tx-begin", LANE, () => sentBy((lane) => lane.begin("write")), txBegin.decode),
  rpc(
    "store tx-step",
    LANE,
    () => sentBy((lane) => lane.step("7", PROGRAM, 500)),
    (bytes) => {
      const { program, ...rest } = txStep.decode(bytes);
      return { ...rest, program: decodeProgram(program) };
    },
  ),
  rpc("store tx-seal", LANE, () => sentBy((lane) => lane.seal("7", signedBundle())), txSeal.decode),
  rpc("store tx-close", LANE, () => sentBy((lane) => lane.close("7")), txClose.decode),
  rpc(
    "store snapshot-open",
    "runtime/store/snapshot-fetcher.ts SnapshotFetcher",
    () => encodeCbor({ atLeast: index(9) }),
    snapshotOpen.decode,
  ),
  rpc(
    "store snapshot-read",
    "runtime/store/snapshot-fetcher.ts SnapshotFetcher",
    () => encodeCbor({ id: "snapshot", offset: 65_536, sizeBytes: 4_096 }),
    snapshotRead.decode,
  ),
  rpc(
    "store snapshot's description",
    `${RPC} encodeSnapshotInfo`,
    () =>
      encodeSnapshotInfo({
        id: "snapshot",
        meta: { index: index(8), term: term(4), configuration },
        sizeBytes: 2 ** 33,
        sha256: filled(32, 6),
      }),
    decodeSnapshotInfo,
  ),
  rpc(
    "store digest-get",
    "runtime/store/digest-watch.ts DigestWatch",
    () => encodeCbor({ index: index(9) }),
    digestGet.decode,
  ),
  rpc(
    "store digest answer",
    "runtime/store/shard-server.ts ShardServer",
    () => encodeCbor({ digest: filled(32, 1), isComing: false }),
    digestAnswer.decode,
  ),
  rpc(
    "store digest-report",
    "runtime/store/digest-watch.ts DigestWatch",
    () => encodeCbor({ index: index(9), digest: filled(32, 1) }),
    digestReport.decode,
  ),
  rpc(
    "store digest-verdict",
    `${RPC} encodeVerdict`,
    () =>
      encodeVerdict({
        index: index(9),
        truth: filled(32, 1),
        isOpen: false,
        avoid: [second.nodeId],
        doubt: "two replicas differ",
        isSettled: false,
      }),
    digestVerdict.decode,
  ),
  rpc(
    "store digest-compare",
    `${RPC} encodeCompare`,
    () => encodeCompare(second.nodeId, "0.2.0-1"),
    digestCompare.decode,
  ),
  rpc(
    "store comparison",
    `${RPC} encodeComparison`,
    () => encodeComparison({ agrees: false, difference: "its table t differs" }),
    decodeComparison,
  ),
];

const logSamples: readonly Sample[] = [
  {
    name: "SQL values",
    form: "other",
    writers: ["domain/sql/value.ts packValues"],
    write: () => packValues(VALUES),
    read: unpackValues,
  },
  {
    name: "program",
    form: "other",
    writers: ["domain/sql/program-codec.ts encodeProgram"],
    write: () => encodeProgram(PROGRAM),
    read: decodeProgram,
  },
  {
    name: "program result",
    form: "other",
    writers: ["domain/sql/result-codec.ts encodeProgramResult"],
    write: () => encodeProgramResult(RESULT),
    read: decodeProgramResult,
  },
  {
    name: "statement result",
    form: "other",
    writers: ["domain/sql/result-codec.ts encodeStatementResult"],
    write: () =>
      encodeStatementResult({
        columns: [],
        rows: [],
        affectedRowCount: 0,
        lastInsertRowid: null,
      }),
    read: decodeStatementResult,
  },
  {
    name: "bundle of requests",
    form: "other",
    writers: ["domain/replication/bundle-codec.ts encodeBundle"],
    write: () => encodeBundle(BUNDLE),
    read: decodeBundle,
  },
  {
    name: "batch",
    form: "other",
    writers: ["domain/replication/batch-codec.ts encodeBatch"],
    write: () =>
      encodeBatch({
        context: { timeMs: NOW_MS, seed: filled(16, 7) },
        bundles: [signedBundle()],
        skipped: [[0, 1]],
        digest: filled(32, 5),
        check: null,
      }),
    read: decodeBatch,
  },
  {
    name: "batch that checks a table",
    form: "other",
    writers: ["domain/replication/batch-codec.ts encodeBatch"],
    write: () =>
      encodeBatch({
        context: { timeMs: NOW_MS, seed: filled(16, 7) },
        bundles: [],
        skipped: [],
        digest: filled(32, 5),
        check: "größer",
      }),
    read: decodeBatch,
  },
];

export const storeSamples: readonly Sample[] = [...logSamples, ...messageSamples];
