/**
 * The four checks of a discovery entry: signature, time and sequence, inner consistency, the source's trust. An entry
 * is believed when all four hold.
 */

import { equalBytes, errorCodeOf, messageOf, type NodeId } from "../../base/index.ts";
import {
  CLOCK_TOLERANCE_MS,
  classAllowsRole,
  decodeGrantChain,
  type Grant,
  type Network,
  verifyGrant,
} from "../identity/index.ts";
import { decodeSignedRecord, recordSignatureHolds, type SignedRecord } from "./node-record.ts";

export type EntryCheck = "signature" | "time" | "consistency" | "source";

export interface EntryContext {
  readonly network: Network;
  readonly nowMs: number;
  /** Whether a node left, was removed or was excluded. */
  readonly isRevoked: (node: NodeId) => boolean;
  /** What is held of the node already, or null. */
  readonly held: (node: NodeId) => SignedRecord | null;
  /** Whether whoever handed the entry over may hand over entries: a member, or the own disk. */
  readonly sourceIsTrusted: boolean;
}

export type EntryVerdict =
  | { readonly ok: true; readonly entry: SignedRecord }
  /** Nothing wrong with it, and nothing new in it. */
  | { readonly ok: false; readonly check: null; readonly reason: string }
  | { readonly ok: false; readonly check: EntryCheck; readonly reason: string };

/** Judges one encoded entry. Bytes that are no entry fail the consistency check; nothing is thrown. */
export function checkEntry(encoded: Uint8Array, context: EntryContext): EntryVerdict {
  if (!context.sourceIsTrusted) return failed("source", "it comes from no trusted member");
  try {
    return judge(decodeSignedRecord(encoded), context);
  } catch (error) {
    if (errorCodeOf(error) !== "MALFORMED") throw error;
    return failed("consistency", messageOf(error));
  }
}

// PERF: what is held already is found out before any signature is verified.
function judge(entry: SignedRecord, context: EntryContext): EntryVerdict {
  const { record } = entry;
  if (context.isRevoked(record.node)) return failed("source", "its node is no member any more");
  const held = context.held(record.node);
  if (held !== null && !isNewer(entry, held)) {
    return { ok: false, check: null, reason: "what is held is as new" };
  }
  if (record.networkId !== context.network.id) {
    return failed("consistency", "it is of another network");
  }
  if (!recordSignatureHolds(entry)) return failed("signature", "its node has not signed it");
  return timeProblem(entry, context) ?? grantProblem(entry, context) ?? { ok: true, entry };
}

function timeProblem({ record }: SignedRecord, { nowMs }: EntryContext): EntryVerdict | null {
  const latestMs = nowMs + CLOCK_TOLERANCE_MS;
  if (record.sequence === 0) return failed("time", "its sequence number is 0");
  if (record.issuedAtMs > latestMs) return failed("time", "it was issued in the future");
  const endMs = record.activity.at(-1)?.toMs ?? 0;
  return endMs > latestMs ? failed("time", "its activity lies in the future") : null;
}

function grantProblem(entry: SignedRecord, context: EntryContext): EntryVerdict | null {
  const { record, grant: encoded } = entry;
  const verdict = verifyGrant(encoded, context.network, context.nowMs);
  if (!verdict.ok) return failed("source", `its grant does not hold: ${verdict.reason}`);
  if (decodeGrantChain(encoded).member !== record.node) {
    return failed("consistency", "its grant is another node's");
  }
  const problem = roleProblem(entry, verdict.grant);
  return problem === null ? null : failed("consistency", problem);
}

function roleProblem({ record }: SignedRecord, grant: Grant): string | null {
  if (!classAllowsRole(record.class, record.role)) return "its class cannot have its role";
  if (record.class !== grant.class) return "its class is not the one granted";
  return record.role === grant.role ? null : "its role is not the one granted";
}

/**
 * The higher sequence wins. Two records with one sequence are a fault of their node; the order of their bytes then
 * makes all nodes keep the same one.
 */
export function isNewer(candidate: SignedRecord, held: SignedRecord): boolean {
  if (candidate.record.sequence !== held.record.sequence) {
    return candidate.record.sequence > held.record.sequence;
  }
  if (equalBytes(candidate.part.payload, held.part.payload)) return false;
  return Buffer.compare(candidate.part.payload, held.part.payload) > 0;
}

function failed(check: EntryCheck, reason: string): EntryVerdict {
  return { ok: false, check, reason };
}
