export {
  type Configuration,
  decodeConfiguration,
  describeConfiguration,
  EMPTY_CONFIGURATION,
  encodeConfiguration,
  equalConfigurations,
  isJoint,
  isVoter,
  makeConfiguration,
  replicasOf,
  VOTERS_MAX,
  type Voter,
  weightOf,
  weightsOf,
} from "./configuration.ts";
export { stepTowards } from "./configuration-change.ts";
export {
  BOOTSTRAP_INDEX,
  type EntryKind,
  type HardState,
  type LogEntry,
  type LogReader,
  type SnapshotMeta,
} from "./entry.ts";
export { bootstrapSnapshot, emptySnapshot } from "./first-snapshot.ts";
export { levelWeights } from "./level-weights.ts";
export type { Append, Message } from "./message.ts";
export { messageSizeBytes, packMessage, unpackMessage } from "./message-codec.ts";
export { DEFAULT_RAFT_OPTIONS, type RaftOptions } from "./options.ts";
export { hasQuorum, quorumIndex } from "./quorum.ts";
export type { RaftRole } from "./raft-core.ts";
export {
  type ConfigurationRefusal,
  RaftNode,
  type RaftStart,
  type TransferRefusal,
} from "./raft-node.ts";
export type { RaftWrite, ReadState, Ready, SnapshotRequest } from "./ready.ts";
export type { RaftStatus, ReplicaStatus } from "./status.ts";
