/**
 * A decision's certificate: its signed opening, which froze who takes part, and the signed reveals for one value.
 * Anyone checks it offline.
 */

import type { NetworkId, NodeId } from "../../base/index.ts";
import { MyceliumError } from "../../base/index.ts";
import { type SignedPart, signedPartShape } from "../identity/index.ts";
import { decodeCbor, encodeCbor, list, object } from "../wire/index.ts";
import type { Decision } from "./decision.ts";
import {
  type DecisionKind,
  type DecisionValue,
  openStatement,
  STATEMENT_SIZE_BYTES_MAX,
} from "./decision-statement.ts";
import { decisionBound, PARTICIPANTS_MAX, unfairness } from "./decision-weights.ts";

export interface Certificate {
  readonly opening: SignedPart;
  readonly reveals: readonly SignedPart[];
}

export interface CertificateRules {
  readonly network: NetworkId;
  readonly kind: DecisionKind;
  readonly value: DecisionValue;
  /**
   * Vote weights as the verifier knows them (`decisionParticipants` of its own member list). An opening that left
   * members out, or let strangers in, convinces nobody: more than half of this weight must have signed, too.
   */
  readonly weights: ReadonlyMap<NodeId, number>;
}

export type CertificateVerdict =
  | { readonly ok: true; readonly operation: number; readonly subject: string }
  | { readonly ok: false; readonly reason: string };

/** Largest encoded certificate. */
export const CERTIFICATE_SIZE_BYTES_MAX = 524_288;

const certificateShape = object({
  opening: signedPartShape(STATEMENT_SIZE_BYTES_MAX),
  reveals: list(signedPartShape(1_024), PARTICIPANTS_MAX),
});

/** Null while nothing is decided. */
export function certificateOf(decision: Decision): Certificate | null {
  const value = decision.outcome?.value ?? null;
  if (value === null) return null;
  return { opening: decision.openingPart, reveals: decision.revealsFor(value) };
}

export function encodeCertificate({ opening, reveals }: Certificate): Uint8Array {
  return encodeCbor({ opening: { ...opening }, reveals: reveals.map((one) => ({ ...one })) });
}

/** Throws MALFORMED. */
export function decodeCertificate(encoded: Uint8Array): Certificate {
  if (encoded.length > CERTIFICATE_SIZE_BYTES_MAX) {
    throw new MyceliumError(
      "MALFORMED",
      `Cannot read a certificate: found ${encoded.length} bytes, needed at most ${CERTIFICATE_SIZE_BYTES_MAX}`,
    );
  }
  return certificateShape(decodeCbor(encoded), "certificate");
}

/** Whether the certificate proves that the network decided this value. */
export function verifyCertificate(
  certificate: Certificate,
  rules: CertificateRules,
): CertificateVerdict {
  const opening = openStatement(certificate.opening, rules.network);
  if (opening?.type !== "open")
    return refused("its opening is not signed by a node of this network");
  if (opening.kind !== rules.kind) return refused(`it is about a ${opening.kind}`);
  const unfair = unfairness(opening.participants);
  if (unfair !== null) return refused(unfair);
  const frozen = new Map(opening.participants.map(({ node, weight }) => [node, weight]));
  const signers = new Set<NodeId>();
  for (const part of certificate.reveals) {
    const reveal = openStatement(part, rules.network);
    const fits =
      reveal?.type === "reveal" &&
      reveal.operation === opening.operation &&
      reveal.value === rules.value;
    if (fits && frozen.has(reveal.author)) signers.add(reveal.author);
  }
  const { needed, total } = decisionBound(opening.participants);
  const weight = weightOf(signers, frozen);
  if (weight < needed) {
    return refused(`weight ${weight} of ${total} signed for it, needed ${needed}`);
  }
  const known = weightOf(signers, rules.weights);
  const all = weightOf(rules.weights.keys(), rules.weights);
  if (known * 2 <= all) {
    return refused(
      `of the members known here weight ${known} of ${all} signed for it, needed more than half`,
    );
  }
  return { ok: true, operation: opening.operation, subject: opening.subject };
}

function weightOf(nodes: Iterable<NodeId>, weights: ReadonlyMap<NodeId, number>): number {
  let sum = 0;
  for (const node of nodes) sum += weights.get(node) ?? 0;
  return sum;
}

function refused(reason: string): CertificateVerdict {
  return { ok: false, reason };
}
