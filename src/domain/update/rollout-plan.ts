/**
 * The plan of one rollout, as the network stores it: what every node is to run, and how far each is. Its only writer
 * is whoever leads shard `system`, by `stepRollout` and the operator's commands; nodes write reports of themselves.
 */

import { asNodeId, MyceliumError, type NodeId } from "../../base/index.ts";
import {
  bytes,
  decodeCbor,
  encodeCbor,
  flag,
  integer,
  list,
  mapped,
  nullable,
  object,
  oneOf,
  type Shape,
  type TypeOf,
  text,
} from "../wire/index.ts";
import { ARCHITECTURES, CHANNELS } from "./release.ts";

/** `approved`: decided, nothing has switched yet. The last four are ends. */
const planStateShape = oneOf(
  "proposed",
  "approved",
  "rolling",
  "paused",
  "done",
  "aborted",
  "reverted",
  "rejected",
);
export type PlanState = TypeOf<typeof planStateShape>;

/**
 * `unable`: it cannot be updated now (no slots, no room, nothing fetched for long) and is left out; `offline`: not
 * seen; both are no fault of the release. `failed`: went down for the switch and did not confirm in time.
 */
const planPhaseShape = oneOf(
  "waiting",
  "staging",
  "staged",
  "draining",
  "switched",
  "healthy",
  "reverted",
  "failed",
  "offline",
  "unable",
);
export type PlanPhase = TypeOf<typeof planPhaseShape>;

/** What a node can say of itself. */
const reportPhaseShape = oneOf(
  "waiting",
  "staging",
  "staged",
  "draining",
  "switched",
  "healthy",
  "reverted",
  "unable",
);

const NODES_MAX = 10_000;
const REASON_LENGTH_MAX = 500;
const VERSION_LENGTH_MAX = 64;
/** Bound of an encoded plan, in bytes. */
export const PLAN_SIZE_BYTES_MAX = 4_194_304;
export const REPORT_SIZE_BYTES_MAX = 4_096;

const nodeShape: Shape<NodeId> = mapped(text(64), asNodeId);
const hashShape = text(64);
const reasonShape = text(REASON_LENGTH_MAX);
/** Unix milliseconds, which CBOR decoders give as bigint. */
const timeShape: Shape<number> = (value, path) =>
  integer()(typeof value === "bigint" ? Number(value) : value, path);

const planNodeShape = object({
  node: nodeShape,
  phase: planPhaseShape,
  /** In which wave it was told to switch; 0 is the canary's. Null while it was not. */
  wave: nullable(integer(0, NODES_MAX)),
  /** Whether it may switch now. */
  granted: flag,
  version: text(VERSION_LENGTH_MAX),
  /** Percent of the core that it holds. */
  progress: integer(0, 100),
  /** Whether its own maintenance window lets it switch now. */
  windowOpen: flag,
  reason: reasonShape,
});

const planShape = object({
  id: text(100),
  /** Of its decision. */
  operation: integer(1),
  kind: oneOf("update", "rollback"),
  version: text(VERSION_LENGTH_MAX),
  channel: oneOf(...CHANNELS),
  notes: text(REASON_LENGTH_MAX),
  /** What is voted on: the release's digest, or `rollbackDigest`. */
  digest: hashShape,
  cores: list(
    object({ arch: oneOf(...ARCHITECTURES), coreSha256: hashShape }),
    ARCHITECTURES.length,
  ),
  stateFormat: integer(0),
  /** It brings another SQLite: the canary must agree on digests before the next wave. */
  changesSqlite: flag,
  /** Named by the operator; null: all members. */
  only: nullable(list(nodeShape, NODES_MAX)),
  state: planStateShape,
  /** Why it is in this state, or what it waits for; may be empty. */
  reason: reasonShape,
  /** Waves begun. */
  waves: integer(0, NODES_MAX),
  nodes: list(planNodeShape, NODES_MAX),
  /** All confirmed: older state formats may be refused from now on. */
  finalised: flag,
  createdAtMs: timeShape,
  /** The encoded certificate of its decision; null while there is none. */
  certificate: nullable(bytes(524_288)),
});

const reportShape = object({
  node: nodeShape,
  /** The plan it is about; empty when there is none. */
  plan: text(100),
  phase: reportPhaseShape,
  arch: oneOf(...ARCHITECTURES),
  version: text(VERSION_LENGTH_MAX),
  coreSha256: nullable(hashShape),
  standbyVersion: nullable(text(VERSION_LENGTH_MAX)),
  standbyCoreSha256: nullable(hashShape),
  sqlite: text(32),
  progress: integer(0, 100),
  windowOpen: flag,
  reason: reasonShape,
});

export type PlanNode = TypeOf<typeof planNodeShape>;
export type RolloutPlan = TypeOf<typeof planShape>;
export type NodeReport = TypeOf<typeof reportShape>;

const ENDS: ReadonlySet<PlanState> = new Set(["done", "aborted", "reverted", "rejected"]);

export function hasEnded(plan: RolloutPlan): boolean {
  return ENDS.has(plan.state);
}

export function planNode(plan: RolloutPlan, node: NodeId): PlanNode | undefined {
  return plan.nodes.find((one) => one.node === node);
}

/** Cuts what comes from errors to what a plan or report can hold. */
export function asReason(reason: string): string {
  return reason.replace(/\p{Cc}+/gu, " ").slice(0, REASON_LENGTH_MAX);
}

export function encodePlan(plan: RolloutPlan): Uint8Array {
  const { cores, nodes, only, ...rest } = plan;
  return encodeCbor({
    ...rest,
    cores: cores.map((one) => ({ ...one })),
    nodes: nodes.map((one) => ({ ...one })),
    only: only === null ? null : [...only],
  });
}

/** Throws MALFORMED. */
export function decodePlan(encoded: Uint8Array): RolloutPlan {
  return planShape(bounded(encoded, PLAN_SIZE_BYTES_MAX, "rollout plan"), "rollout plan");
}

export function encodeReport(report: NodeReport): Uint8Array {
  return encodeCbor({ ...report });
}

/** Throws MALFORMED. */
export function decodeReport(encoded: Uint8Array): NodeReport {
  return reportShape(bounded(encoded, REPORT_SIZE_BYTES_MAX, "update report"), "update report");
}

function bounded(encoded: Uint8Array, sizeBytesMax: number, what: string): unknown {
  if (encoded.length <= sizeBytesMax) return decodeCbor(encoded);
  throw new MyceliumError(
    "MALFORMED",
    `Cannot read the ${what}: found ${encoded.length} bytes, needed at most ${sizeBytesMax}`,
  );
}
