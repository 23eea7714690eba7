/**
 * The messages between replicas of a shard. Methods are "store/SHARD/VERB"; each payload has a shape here, and its
 * size is bounded by the transport's frames.
 */

import {
  asLogIndex,
  asNodeId,
  asTerm,
  type ErrorCode,
  type GroupId,
  type LogIndex,
  MyceliumError,
  type NodeId,
} from "../../base/index.ts";
import type { SignedBundle } from "../../domain/replication/index.ts";
import {
  decodeProgramResult,
  encodeProgramResult,
  type ProgramResult,
} from "../../domain/sql/index.ts";
import {
  added,
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
  text,
} from "../../domain/wire/index.ts";
import type { SnapshotInfo } from "../../ports/index.ts";
import type { ComparisonState } from "./replica-comparison.ts";

export type StoreVerb =
  | "submit"
  | "tx-begin"
  | "tx-step"
  | "tx-seal"
  | "tx-close"
  | "snapshot-open"
  | "snapshot-read"
  | "digest-get"
  | "digest-report"
  | "digest-verdict"
  | "digest-compare";

export function methodOf(shard: GroupId, verb: StoreVerb): string {
  return `store/${shard}/${verb}`;
}

/** The prefix of all methods of one shard, for the agent's routing. */
export function methodPrefixOf(shard: GroupId): string {
  return `store/${shard}/`;
}

const PAYLOAD_BYTES_MAX = 32 << 20;
const REQUESTS_MAX = 1_024;
const REPLICAS_MAX = 10_000;
const NODE_ID_LENGTH_MAX = 128;
const DOUBT_LENGTH_MAX = 4_096;
const DIFFERENCE_LENGTH_MAX = 1_024;

function codec<T>(shape: Shape<T>, what: string) {
  return {
    decode: (payload: Uint8Array): T => shape(decodeCbor(payload), what),
  };
}

const signedShape: Shape<SignedBundle> = object({
  payload: bytes(PAYLOAD_BYTES_MAX),
  signature: bytes(64, 64),
});

export function encodeSigned(signed: SignedBundle): Uint8Array {
  return encodeCbor({ payload: signed.payload, signature: signed.signature });
}

export const decodeSigned = codec(signedShape, "a signed bundle").decode;

/** How each request of a submitted bundle ended. */
export type SubmitAnswer =
  | { readonly ok: true; readonly result: ProgramResult }
  | { readonly ok: false; readonly error: MyceliumError };

const answerShape = list(
  object({
    result: nullable(bytes(PAYLOAD_BYTES_MAX)),
    code: text(64),
    message: text(4_096),
  }),
  REQUESTS_MAX,
);

export function encodeAnswers(answers: readonly SubmitAnswer[]): Uint8Array {
  return encodeCbor(
    answers.map((answer) =>
      answer.ok
        ? { result: encodeProgramResult(answer.result), code: "", message: "" }
        : { result: null, code: answer.error.code, message: answer.error.message.slice(0, 4_096) },
    ),
  );
}

export function decodeAnswers(payload: Uint8Array): readonly SubmitAnswer[] {
  return answerShape(decodeCbor(payload), "a submit answer").map(({ result, code, message }) =>
    result === null
      ? { ok: false, error: new MyceliumError(code as ErrorCode, message) }
      : { ok: true, result: decodeProgramResult(result) },
  );
}

const sessionId = text(64);

export const txBegin = codec(object({ role: oneOf("read", "write", "system") }), "a begin");
export const txStep = codec(
  object({ id: sessionId, program: bytes(PAYLOAD_BYTES_MAX), deadlineMs: integer(1, 600_000) }),
  "a transaction step",
);
export const txSeal = codec(object({ id: sessionId, signed: signedShape }), "a transaction seal");
export const txClose = codec(object({ id: sessionId }), "a transaction close");
export const snapshotOpen = codec(
  object({ atLeast: mapped(integer(), asLogIndex) }),
  "a snapshot request",
);
export const snapshotRead = codec(
  object({ id: text(128), offset: integer(), sizeBytes: integer(1, 8 << 20) }),
  "a snapshot read",
);
export const digestGet = codec(object({ index: mapped(integer(), asLogIndex) }), "a digest query");
export const digestReport = codec(
  object({ index: mapped(integer(), asLogIndex), digest: bytes(64) }),
  "a digest report",
);
export const digestAnswer = codec(
  object({ digest: nullable(bytes(64)), isComing: flag }),
  "a digest answer",
);

const OCCASION_LENGTH_MAX = 100;

/** Of the leader: whether a replica holds what the majority holds. The answer is a `ComparisonState`. */
export const digestCompare = codec(
  object({
    node: mapped(text(NODE_ID_LENGTH_MAX), asNodeId),
    occasion: added(text(OCCASION_LENGTH_MAX), ""),
  }),
  "a request to compare",
);
/** Each `occasion` is compared anew: what was found on another says nothing of it. */
export function encodeCompare(node: NodeId, occasion: string): Uint8Array {
  return encodeCbor({ node, occasion });
}

const comparisonShape = object({ agrees: flag, difference: nullable(text(DIFFERENCE_LENGTH_MAX)) });

export function encodeComparison({ agrees, difference }: ComparisonState): Uint8Array {
  return encodeCbor({ agrees, difference: difference?.slice(0, DIFFERENCE_LENGTH_MAX) ?? null });
}

export const decodeComparison = codec<ComparisonState>(comparisonShape, "a comparison").decode;

/** What the leader found out about one log index. */
export interface DigestVerdict {
  readonly index: LogIndex;
  /** The digest of more than half of all weight; who holds another fetches a fresh copy. */
  readonly truth: Uint8Array | null;
  /** Nothing is decided yet: ask again. */
  readonly isOpen: boolean;
  /** Replicas that hold something else than the truth. */
  readonly avoid: readonly NodeId[];
  /** Why the shard is read-only. */
  readonly doubt: string | null;
  /** Every table was checked, and each has a majority: there is no doubt any more. */
  readonly isSettled: boolean;
}

export const digestVerdict = codec<DigestVerdict>(
  object({
    index: mapped(integer(), asLogIndex),
    truth: nullable(bytes(64)),
    isOpen: flag,
    avoid: list(mapped(text(NODE_ID_LENGTH_MAX), asNodeId), REPLICAS_MAX),
    doubt: nullable(text(DOUBT_LENGTH_MAX)),
    isSettled: flag,
  }),
  "a digest verdict",
);

export function encodeVerdict(verdict: DigestVerdict): Uint8Array {
  const { index, truth, isOpen, avoid, doubt, isSettled } = verdict;
  return encodeCbor({ index, truth, isOpen, avoid: [...avoid], doubt, isSettled });
}

const infoShape = object({
  id: text(128),
  index: mapped(integer(), asLogIndex),
  term: mapped(integer(), asTerm),
  configuration: bytes(1 << 20),
  sizeBytes: integer(),
  sha256: bytes(32, 32),
});

export function encodeSnapshotInfo(info: SnapshotInfo): Uint8Array {
  const { index, term, configuration } = info.meta;
  return encodeCbor({
    id: info.id,
    index,
    term,
    configuration,
    sizeBytes: info.sizeBytes,
    sha256: info.sha256,
  });
}

export function decodeSnapshotInfo(payload: Uint8Array): SnapshotInfo {
  const { id, index, term, configuration, sizeBytes, sha256 } = infoShape(
    decodeCbor(payload),
    "a snapshot's description",
  );
  return { id, meta: { index, term, configuration }, sizeBytes, sha256 };
}
