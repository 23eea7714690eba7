export { Backoff, type BackoffLimits } from "./backoff.ts";
export { fromBase58, toBase58 } from "./base58.ts";
export { BoundedQueue } from "./bounded-queue.ts";
export {
  compareBytes,
  concatBytes,
  EMPTY_BYTES,
  equalBytes,
  fromBase64Url,
  fromHex,
  fromUtf8,
  toBase64Url,
  toHex,
  utf8,
} from "./bytes.ts";
export {
  assert,
  type ErrorCode,
  type ErrorDetails,
  errorCodeOf,
  InvariantError,
  MyceliumError,
  messageOf,
  present,
  unreachable,
} from "./errors.ts";
export {
  asGroupId,
  asLogIndex,
  asNetworkId,
  asNodeId,
  asReplicaId,
  asRequestId,
  asTerm,
  type GroupId,
  type LogIndex,
  type NetworkId,
  type NodeId,
  nodeOfReplica,
  type ReplicaId,
  type RequestId,
  replicaOfNode,
  type Term,
} from "./ids.ts";
export { type Random, SeededRandom } from "./random.ts";
export { formatDurationMs, formatSizeBytes, parseDurationMs, parseSizeBytes } from "./units.ts";
