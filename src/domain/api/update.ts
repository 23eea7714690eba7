/**
 * Updates in the local API. JSON on the Unix socket; index.ts says how it changes.
 *
 * | request | body | answer |
 * |---|---|---|
 * | GET /v1/update | | `UpdateStatus` |
 * | POST /v1/update/check | | `UpdateStatus` |
 * | POST /v1/update/plan | `UpdatePlanRequest` | `UpdateStatus` |
 * | POST /v1/update/approve | `UpdateApproveRequest` | `UpdateStatus` |
 * | POST /v1/update/pause, resume, abort | | `UpdateStatus` |
 * | POST /v1/update/rollback | `UpdateRollbackRequest` | `UpdateStatus` |
 */

import {
  added,
  flag,
  integer,
  list,
  nullable,
  object,
  oneOf,
  optional,
  type TypeOf,
  text,
} from "../wire/index.ts";
import { nodeIdShape } from "./node-id.ts";

const NODES_MAX = 10_000;
const line = text(1_000);
const version = text(64);

const decisionShape = object({
  operation: integer(1),
  phase: oneOf("commit", "reveal", "closed"),
  result: nullable(oneOf("decided", "rejected", "timedOut")),
  /** Weight that decides, and of how much. */
  needed: integer(),
  total: integer(),
  /** False with three or fewer deciders: then no liar is tolerated. */
  toleratesLiar: flag,
  participants: list(
    object({
      id: nodeIdShape,
      weight: integer(),
      /** While it is open: whether it has committed or revealed; then what became of its vote. */
      part: oneOf(
        "waiting",
        "committed",
        "revealed",
        "for",
        "against",
        "silent",
        "absent",
        "equivocated",
      ),
      reason: line,
    }),
    NODES_MAX,
  ),
});

const planShape = object({
  id: text(100),
  kind: oneOf("update", "rollback"),
  version,
  channel: text(32),
  notes: line,
  state: oneOf(
    "proposed",
    "approved",
    "rolling",
    "paused",
    "done",
    "aborted",
    "reverted",
    "rejected",
  ),
  reason: line,
  createdAtMs: integer(),
  /** All nodes confirmed it: there is no way back behind its state format. */
  finalised: flag,
  /** Nodes still to switch, in the order in which they would. */
  upcoming: list(list(nodeIdShape, NODES_MAX), NODES_MAX),
  nodes: list(
    object({
      id: nodeIdShape,
      phase: text(32),
      wave: nullable(integer()),
      /** What it runs, and what its other slot holds; null when it said of none. */
      version,
      standby: optional(nullable(version)),
      progress: integer(0, 100),
      reason: line,
    }),
    NODES_MAX,
  ),
  decision: nullable(decisionShape),
});

export const updateStatusShape = object({
  /** Whether this node has a trusted root to check releases with. */
  configured: flag,
  channel: text(32),
  approval: oneOf("auto", "operator"),
  /** How far this node itself is. */
  node: object({
    phase: text(32),
    version,
    coreSha256: nullable(text(64)),
    standby: nullable(version),
    refused: nullable(line),
    problem: nullable(line),
  }),
  /** What the channel is at, as verified here; null while nothing is known. */
  available: nullable(object({ version, notes: line })),
  checkedAtMs: nullable(integer()),
  /** Why the last look found nothing, or one of its sources gave nothing. */
  checkProblem: added(nullable(line), null),
  /** Why what is available is not on its way; null when it is, or runs everywhere. */
  heldBack: added(nullable(line), null),
  /** The latest rollout of the network; null when there was none. */
  plan: nullable(planShape),
});

export const updatePlanRequestShape = object({ version: optional(version) });
export const updateApproveRequestShape = object({ version });
export const updateRollbackRequestShape = object({
  version,
  /** None: all nodes that hold it. */
  nodes: optional(list(nodeIdShape, NODES_MAX)),
});

export type UpdateStatus = TypeOf<typeof updateStatusShape>;
export type UpdatePlanRequest = TypeOf<typeof updatePlanRequestShape>;
export type UpdateApproveRequest = TypeOf<typeof updateApproveRequestShape>;
export type UpdateRollbackRequest = TypeOf<typeof updateRollbackRequestShape>;
