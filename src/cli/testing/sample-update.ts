/** Updates in the middle of a rollout. For tests. */

import type { UpdateStatus } from "../../domain/api/index.ts";
import { NODE_A, NODE_B } from "./sample-status.ts";

export const SAMPLE_UPDATE: UpdateStatus = {
  configured: true,
  channel: "stable",
  approval: "operator",
  node: {
    phase: "idle",
    version: "0.1.0",
    coreSha256: "a".repeat(64),
    standby: "0.2.0",
    refused: null,
    problem: null,
  },
  available: { version: "0.2.0", notes: "faster" },
  checkedAtMs: 0,
  checkProblem: null,
  heldBack: null,
  plan: {
    id: "0.2.0-7",
    kind: "update",
    version: "0.2.0",
    channel: "stable",
    notes: "faster",
    state: "rolling",
    reason: "",
    createdAtMs: 0,
    finalised: false,
    upcoming: [[NODE_A]],
    nodes: [
      {
        id: NODE_A,
        phase: "staging",
        wave: null,
        version: "0.1.0",
        standby: null,
        progress: 40,
        reason: "",
      },
      {
        id: NODE_B,
        phase: "switched",
        wave: 0,
        version: "0.2.0",
        standby: "0.1.0",
        progress: 100,
        reason: "",
      },
    ],
    decision: {
      operation: 7,
      phase: "closed",
      result: "decided",
      needed: 2,
      total: 2,
      toleratesLiar: false,
      participants: [
        { id: NODE_A, weight: 1, part: "for", reason: "" },
        { id: NODE_B, weight: 1, part: "for", reason: "" },
      ],
    },
  },
};
