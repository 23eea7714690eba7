/**
 * What a validator says of a leader that keeps a member's commit out of the log: whose leadership, in which term, and
 * the commit itself, signed by its author. It goes from validator to validator and never through the log, which that
 * leader orders.
 */

import type { NetworkId, NodeId } from "../../base/index.ts";
import {
  deterministicCbor,
  type NodeKey,
  networkIdShape,
  nodeIdShape,
  type SignedPart,
  sign,
  signedPartShape,
  tagged,
  verifyOfNode,
} from "../identity/index.ts";
import { decodeCbor, encodeCbor, integer, object } from "../wire/index.ts";
import { type CommitStatement, openStatement } from "./decision-statement.ts";

export interface WithheldStatement {
  readonly network: NetworkId;
  readonly operation: number;
  readonly author: NodeId;
  readonly leader: NodeId;
  /** Of the Raft group that holds the log of decisions. */
  readonly term: number;
  readonly commit: SignedPart;
}

export interface OpenedWithheld extends Omit<WithheldStatement, "commit"> {
  readonly commit: OpenedCommit;
}
export interface OpenedCommit {
  readonly statement: CommitStatement;
  readonly part: SignedPart;
}

const PURPOSE = "decision-withheld";
const COMMIT_SIZE_BYTES_MAX = 1_024;
const WITHHELD_SIZE_BYTES_MAX = 4_096;

const saidShape = signedPartShape(WITHHELD_SIZE_BYTES_MAX);
const withheldShape = object({
  network: networkIdShape,
  operation: integer(1),
  author: nodeIdShape,
  leader: nodeIdShape,
  term: integer(1),
  commit: signedPartShape(COMMIT_SIZE_BYTES_MAX),
});

export function signWithheld(key: NodeKey, said: WithheldStatement): SignedPart {
  const payload = deterministicCbor({ ...said, commit: { ...said.commit } });
  return { payload, signature: sign(key, tagged(PURPOSE, payload)) };
}

/** A commit, or what `signWithheld` made, on its way to other validators. */
export function encodeSaid({ payload, signature }: SignedPart): Uint8Array {
  return encodeCbor({ payload, signature });
}

/** Throws MALFORMED. */
export function decodeSaid(encoded: Uint8Array): SignedPart {
  return saidShape(decodeCbor(encoded), "a withheld commit");
}

/** Null when it was not signed by its author for this network, or the commit in it is none of that operation. */
export function openWithheld(part: SignedPart, network: NetworkId): OpenedWithheld | null {
  const said = decode(part.payload);
  if (said === null || said.network !== network) return null;
  if (!verifyOfNode(said.author, tagged(PURPOSE, part.payload), part.signature)) return null;
  const commit = openCommit(said.commit, network);
  if (commit === null || commit.statement.operation !== said.operation) return null;
  return { ...said, commit };
}

/** Null when it is no commit that its author signed for this network. */
export function openCommit(part: SignedPart, network: NetworkId): OpenedCommit | null {
  const statement = openStatement(part, network);
  return statement?.type === "commit" ? { statement, part } : null;
}

function decode(payload: Uint8Array) {
  try {
    return withheldShape(decodeCbor(payload), "withheld");
  } catch {
    // The same as a wrong signature: this program signs no such bytes.
    return null;
  }
}
