/**
 * The proof that a leader is the primary: voters with more than half of the weight signed who leads, in which term,
 * up to which index, under which configuration. Nobody is believed for saying "I am primary".
 */

import {
  asGroupId,
  asLogIndex,
  asTerm,
  type GroupId,
  type LogIndex,
  type NetworkId,
  type NodeId,
  nodeOfReplica,
  type Term,
} from "../../base/index.ts";
import {
  CLOCK_TOLERANCE_MS,
  deterministicCbor,
  type NodeKey,
  networkIdShape,
  nodeIdShape,
  publicKeyOfNodeId,
  SIGNATURE_SIZE_BYTES,
  sign,
  tagged,
  timeShape,
  verify,
} from "../identity/index.ts";
import { type Configuration, decodeConfiguration, hasQuorum, VOTERS_MAX } from "../raft/index.ts";
import {
  bytes,
  decodeCbor,
  encodeCbor,
  list,
  malformed,
  mapped,
  object,
  type Shape,
  text,
} from "../wire/index.ts";

export interface PrimaryStatement {
  readonly networkId: NetworkId;
  readonly group: GroupId;
  readonly term: Term;
  readonly leader: NodeId;
  /** Committed up to here. */
  readonly index: LogIndex;
  /** The Raft configuration in force, encoded by `domain/raft`. */
  readonly configuration: Uint8Array;
  readonly issuedAtMs: number;
}

export interface ProofSignature {
  readonly voter: NodeId;
  readonly signature: Uint8Array;
}

export interface PrimaryProof {
  readonly statement: PrimaryStatement;
  /** The exact bytes that were signed. */
  readonly payload: Uint8Array;
  readonly signatures: readonly ProofSignature[];
}

export interface ProofContext {
  readonly networkId: NetworkId;
  readonly nowMs: number;
  /** Whether a node may vote: its grant says validator, and it was not revoked. */
  readonly mayVote: (node: NodeId) => boolean;
}

export type ProofVerdict =
  | { readonly ok: true; readonly configuration: Configuration }
  | { readonly ok: false; readonly reason: string };

/** Voters sign this often; a primary shows a proof that is at most three rounds old. */
export const PROOF_INTERVAL_MS = 10_000;
export const PROOF_FRESH_MS = 3 * PROOF_INTERVAL_MS;
export const STATEMENT_BYTES_MAX = 64 * 1_024;
export const PROOF_BYTES_MAX = STATEMENT_BYTES_MAX + 4_096;
/** Both lists of a joint configuration. */
const SIGNATURES_MAX = 2 * VOTERS_MAX;
const SIGNATURE_ENCODED_BYTES_MAX = 512;
const PURPOSE = "primary proof";

const statementShape: Shape<PrimaryStatement> = object({
  networkId: networkIdShape,
  group: mapped(text(64), asGroupId),
  term: mapped(timeShape, asTerm),
  leader: nodeIdShape,
  index: mapped(timeShape, asLogIndex),
  configuration: mapped(bytes(STATEMENT_BYTES_MAX), (view) => view.slice()),
  issuedAtMs: timeShape,
});

const signatureShape: Shape<ProofSignature> = object({
  voter: nodeIdShape,
  signature: mapped(bytes(SIGNATURE_SIZE_BYTES, SIGNATURE_SIZE_BYTES), (view) => view.slice()),
});

const proofShape = object({
  payload: mapped(bytes(STATEMENT_BYTES_MAX), (view) => view.slice()),
  signatures: list(signatureShape, SIGNATURES_MAX),
});

export function encodePrimaryStatement(statement: PrimaryStatement): Uint8Array {
  return deterministicCbor({ ...statement });
}

/** Throws MALFORMED. */
export function decodePrimaryStatement(payload: Uint8Array): PrimaryStatement {
  if (payload.length > STATEMENT_BYTES_MAX) throw malformed("primary", "a statement", payload);
  return statementShape(decodeCbor(payload), "primary statement");
}

export function signPrimaryStatement(key: NodeKey, payload: Uint8Array): ProofSignature {
  return { voter: key.nodeId, signature: sign(key, tagged(PURPOSE, payload)) };
}

export function encodeProofSignature({ voter, signature }: ProofSignature): Uint8Array {
  return encodeCbor({ voter, signature });
}

/** Throws MALFORMED. */
export function decodeProofSignature(encoded: Uint8Array): ProofSignature {
  if (encoded.length > SIGNATURE_ENCODED_BYTES_MAX) {
    throw malformed("proof signature", "a short one", encoded);
  }
  return signatureShape(decodeCbor(encoded), "proof signature");
}

export function encodePrimaryProof({ payload, signatures }: PrimaryProof): Uint8Array {
  return encodeCbor({
    payload,
    signatures: signatures.map(({ voter, signature }) => ({ voter, signature })),
  });
}

/** Throws MALFORMED. Says nothing of the signatures. */
export function decodePrimaryProof(encoded: Uint8Array): PrimaryProof {
  if (encoded.length > PROOF_BYTES_MAX) throw malformed("primary proof", "a short one", encoded);
  const { payload, signatures } = proofShape(decodeCbor(encoded), "primary proof");
  return { statement: decodePrimaryStatement(payload), payload, signatures };
}

/**
 * Whether the voters that the statement names stand behind it. The configuration is believed on their word: its
 * voters must be members who may vote, so outsiders cannot make one up. Throws MALFORMED on a configuration that is
 * none.
 */
export function verifyPrimaryProof(proof: PrimaryProof, context: ProofContext): ProofVerdict {
  const { statement } = proof;
  if (statement.networkId !== context.networkId) return refused("it is of another network");
  if (statement.issuedAtMs > context.nowMs + CLOCK_TOLERANCE_MS) {
    return refused("it was issued in the future");
  }
  const configuration = decodeConfiguration(statement.configuration);
  const voters = [...configuration.voters, ...configuration.outgoing];
  const nodes = new Set(voters.map(({ replica }) => nodeOfReplica(replica)));
  if (!nodes.has(statement.leader)) return refused("its leader is no voter");
  for (const node of nodes) {
    if (!context.mayVote(node)) return refused("it counts a voter that may not vote");
  }
  const signers = signersOf(proof, nodes);
  const isQuorum = hasQuorum(configuration, (replica) => signers.has(nodeOfReplica(replica)));
  return isQuorum
    ? { ok: true, configuration }
    : refused("voters with more than half of the weight have not signed it");
}

/** Positive when `a` is later: the higher term, then the higher index, then the later time. */
export function compareProofs(a: PrimaryProof, b: PrimaryProof): number {
  const [x, y] = [a.statement, b.statement];
  return x.term - y.term || x.index - y.index || x.issuedAtMs - y.issuedAtMs;
}

// PERF: one verification for each signature of a voter, at most 14.
function signersOf(proof: PrimaryProof, voters: ReadonlySet<NodeId>): ReadonlySet<NodeId> {
  const message = tagged(PURPOSE, proof.payload);
  const holding = proof.signatures.filter(({ voter, signature }) => {
    const publicKey = voters.has(voter) ? publicKeyOfNodeId(voter) : null;
    return publicKey !== null && verify(publicKey, message, signature);
  });
  return new Set(holding.map(({ voter }) => voter));
}

function refused(reason: string): ProofVerdict {
  return { ok: false, reason };
}
