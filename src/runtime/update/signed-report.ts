/** Reports as their nodes sign them: nobody can speak for another. */

import type { NodeId } from "../../base/index.ts";
import { type NodeKey, sign, tagged, verifyOfNode } from "../../domain/identity/index.ts";
import { decodeReport, encodeReport, type NodeReport } from "../../domain/update/index.ts";
import type { SignedReport } from "./rollout-store.ts";

const PURPOSE = "update-report";

export function signReport(key: NodeKey, report: NodeReport, seq: number): SignedReport {
  const payload = encodeReport(report);
  const signature = sign(key, tagged(`${PURPOSE} ${seq}`, payload));
  return { node: key.nodeId, seq, part: { payload, signature } };
}

/** Null for what its node did not sign. Throws MALFORMED for what it signed and is no report. */
export function openReport({ node, seq, part }: SignedReport): NodeReport | null {
  if (!verifyOfNode(node, tagged(`${PURPOSE} ${seq}`, part.payload), part.signature)) return null;
  const report = decodeReport(part.payload);
  return report.node === node ? report : null;
}

/** Those that hold, by node. */
export function openReports(signed: readonly SignedReport[]): ReadonlyMap<NodeId, NodeReport> {
  return new Map(
    signed.flatMap((one) => {
      const report = openReport(one);
      return report === null ? [] : [[one.node, report] as const];
    }),
  );
}
