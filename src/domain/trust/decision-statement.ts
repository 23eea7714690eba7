/**
 * What participants of a decision say, each statement signed by its author: open, commit, deadline, reveal, close.
 * The log gives them their order and time; a statement's bytes are deterministic CBOR, so that what was signed can be
 * handed on and checked by anyone, offline.
 */

import { createHash, createHmac } from "node:crypto";
import { fromHex, type NetworkId, type NodeId, present, toHex } from "../../base/index.ts";
import {
  type DocumentValue,
  deterministicCbor,
  KEY_SIZE_BYTES,
  type NodeKey,
  networkIdShape,
  nodeIdShape,
  type SignedPart,
  sign,
  tagged,
  verifyOfNode,
} from "../identity/index.ts";
import {
  bytes,
  decodeCbor,
  integer,
  list,
  malformed,
  mapped,
  nullable,
  object,
  oneOf,
  type Shape,
  text,
} from "../wire/index.ts";
import { PARTICIPANTS_MAX, type Participant } from "./decision-weights.ts";

/** What is decided on. The name is part of what is signed. */
export type DecisionKind = "release" | "rollback";

/** A SHA-256 as 64 hexadecimal digits: what a vote is for. */
export type DecisionValue = string;

interface Said {
  readonly network: NetworkId;
  /** Counts up; never used again. */
  readonly operation: number;
  readonly author: NodeId;
}
export interface OpenStatement extends Said {
  readonly type: "open";
  readonly kind: DecisionKind;
  /** What people are told it is about: a version. */
  readonly subject: string;
  readonly participants: readonly Participant[];
  /** Commits are taken for this long at least, unless enough came before. */
  readonly commitMs: number;
  /** Reveals are taken for this long at least, unless all came before. */
  readonly revealMs: number;
}
export interface CommitStatement extends Said {
  readonly type: "commit";
  readonly commitment: Uint8Array;
}
export interface RevealStatement extends Said {
  readonly type: "reveal";
  /** Null: against whatever is proposed. */
  readonly value: DecisionValue | null;
  readonly reason: string;
  readonly salt: Uint8Array;
}
/** `deadline` ends the time of commits, `close` that of reveals. */
export interface EndStatement extends Said {
  readonly type: "deadline" | "close";
}
export type DecisionStatement = OpenStatement | CommitStatement | RevealStatement | EndStatement;

export const STATEMENT_SIZE_BYTES_MAX = 65_536;
const PURPOSE = "decision";
const SALT_PURPOSE = "decision-salt";
const COMMIT_PURPOSE = "decision-commit";
const DIGEST_SIZE_BYTES = 32;
const SALT_SIZE_BYTES = KEY_SIZE_BYTES;
const TIME_MAX_MS = 30 * 86_400_000;
const REASON_LENGTH_MAX = 300;
const SUBJECT_LENGTH_MAX = 100;

/** Printable: subjects and reasons reach terminals. */
function plainText(lengthMax: number): Shape<string> {
  return mapped(text(lengthMax), (value, path) => {
    if (/\p{Cc}/u.test(value)) throw malformed(path, "text without control characters", value);
    return value;
  });
}

const valueShape: Shape<DecisionValue> = mapped(
  bytes(DIGEST_SIZE_BYTES, DIGEST_SIZE_BYTES),
  (digest) => toHex(digest),
);
const saidFields = {
  network: networkIdShape,
  operation: integer(1),
  author: nodeIdShape,
};
const typeShape = object({ type: oneOf("open", "commit", "reveal", "deadline", "close") });
const openShape = object({
  ...saidFields,
  type: oneOf("open"),
  kind: oneOf("release", "rollback"),
  subject: plainText(SUBJECT_LENGTH_MAX),
  participants: list(object({ node: nodeIdShape, weight: integer(1, 2 ** 31) }), PARTICIPANTS_MAX),
  commitMs: integer(0, TIME_MAX_MS),
  revealMs: integer(0, TIME_MAX_MS),
});
const commitShape = object({
  ...saidFields,
  type: oneOf("commit"),
  commitment: bytes(DIGEST_SIZE_BYTES, DIGEST_SIZE_BYTES),
});
const revealShape = object({
  ...saidFields,
  type: oneOf("reveal"),
  value: nullable(valueShape),
  reason: plainText(REASON_LENGTH_MAX),
  salt: bytes(SALT_SIZE_BYTES, SALT_SIZE_BYTES),
});
const endShape = object({ ...saidFields, type: oneOf("deadline", "close") });

/** Signs as the statement's author, whose key it must be. */
export function signStatement(key: NodeKey, statement: DecisionStatement): SignedPart {
  const payload = deterministicCbor(documentOf(statement));
  return { payload, signature: sign(key, tagged(PURPOSE, payload)) };
}

/** The statement, if its author signed it for this network; null otherwise: whoever sent it is not to be believed. */
export function openStatement(part: SignedPart, network: NetworkId): DecisionStatement | null {
  if (part.payload.length > STATEMENT_SIZE_BYTES_MAX) return null;
  const statement = decodeStatement(part.payload);
  if (statement === null || statement.network !== network) return null;
  if (!verifyOfNode(statement.author, tagged(PURPOSE, part.payload), part.signature)) return null;
  return statement;
}

/** Binds a vote to its author and operation, so that nobody can copy another's commitment. */
export function commitmentOf(
  vote: Pick<RevealStatement, "network" | "operation" | "author" | "value" | "salt">,
): Uint8Array {
  const { network, operation, author, value, salt } = vote;
  const document = { network, operation, author, value: valueBytes(value), salt };
  const content = tagged(COMMIT_PURPOSE, deterministicCbor(document));
  return new Uint8Array(createHash("sha256").update(content).digest());
}

/**
 * The salt of a node's vote: secret until it is revealed, and the same if the node votes again after a restart, so
 * that it does not contradict itself.
 */
export function saltOf(key: NodeKey, network: NetworkId, operation: number): Uint8Array {
  const document = deterministicCbor({ network, operation });
  const hash = createHmac("sha256", key.seed).update(tagged(SALT_PURPOSE, document));
  return new Uint8Array(hash.digest());
}

function decodeStatement(payload: Uint8Array): DecisionStatement | null {
  try {
    const decoded = decodeCbor(payload);
    switch (typeShape(decoded, "decision").type) {
      case "open":
        return openShape(decoded, "open");
      case "commit":
        return commitShape(decoded, "commit");
      case "reveal":
        return revealShape(decoded, "reveal");
      default:
        return endShape(decoded, "end");
    }
  } catch {
    // Bytes that are no statement were not signed as one by this program: the same as a wrong signature.
    return null;
  }
}

function documentOf(statement: DecisionStatement): DocumentValue {
  if (statement.type === "reveal") return { ...statement, value: valueBytes(statement.value) };
  if (statement.type !== "open") return { ...statement };
  return { ...statement, participants: statement.participants.map((one) => ({ ...one })) };
}

function valueBytes(value: DecisionValue | null): Uint8Array | null {
  return value === null ? null : present(fromHex(value), "the digest that is voted for");
}
