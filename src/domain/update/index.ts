export { canonicalJson, type Json, type JsonObject } from "./canonical-json.ts";
export {
  CHUNK_INDEX_SIZE_MAX,
  type Chunk,
  type ChunkIndex,
  decodeChunkIndex,
  encodeChunkIndex,
  packSizeBytes,
} from "./chunk-index.ts";
export { CHUNK_SIZE_MAX, chunkSizeAt, chunksOf } from "./chunker.ts";
export { isInWindow } from "./maintenance-window.ts";
export type { NodePhase, NodeUpdateView, StagingProgress } from "./node-update-view.ts";
export { matchesDelegation } from "./path-pattern.ts";
export {
  CHANNEL_FILE_SIZE_MAX,
  type ChannelFile,
  isVersion,
  readChannelFile,
  readRelease,
} from "./read-release.ts";
export {
  ARCHITECTURES,
  type Architecture,
  CHANNELS,
  type Channel,
  channelTargetName,
  type Release,
  type ReleaseTarget,
  releaseDigest,
  STATE_FORMAT,
  type TargetNames,
  targetNames,
  versionOfTarget,
} from "./release.ts";
export { metadataPath, type TargetDigest, targetDigest, targetPath } from "./release-paths.ts";
export {
  commandRollout,
  type RolloutCommand,
} from "./rollout-commands.ts";
export {
  type Duty,
  dutyOf,
  mayClaim,
  type NodeFacts,
  type NodeProblem,
  reportOf,
  wantedCore,
} from "./rollout-duty.ts";
export {
  asReason,
  decodePlan,
  decodeReport,
  encodePlan,
  encodeReport,
  hasEnded,
  type NodeReport,
  type PlanNode,
  type PlanPhase,
  type PlanState,
  planNode,
  type RolloutPlan,
} from "./rollout-plan.ts";
export {
  type CoreChoice,
  coresOfVersion,
  holdBack,
  isCurrent,
  isTowards,
  nextVersion,
  rollbackDigest,
  rollbackPlan,
  updatePlan,
  versionProblem,
} from "./rollout-proposal.ts";
export { type GroupVoters, mayGoDown } from "./rollout-quorum.ts";
export { type Comparison, type RolloutWorld, stepRollout, type Verdict } from "./rollout-step.ts";
export { comparedCanary, plannedWaves, type WaveWorld } from "./rollout-waves.ts";
export {
  parseShippedTrailer,
  type ShippedTrailer,
  TRAILER_SIZE_BYTES,
} from "./shipped-trailer.ts";
export {
  confirmed,
  endedAsAsked,
  reverted,
  switched,
  withFloor,
  withoutStandby,
  withPayload,
  withStandby,
} from "./slot-changes.ts";
export {
  type CheckedStat,
  formatSlotRecord,
  NEVER_CHECKED,
  parseSlotRecord,
  SLOT_RECORD_SIZE_MAX,
  type SlotCore,
  type SlotRecord,
} from "./slot-record.ts";
export {
  type HealthBefore,
  type TrialLimits,
  type TrialVerdict,
  TrialWatch,
  trialMemoryMax,
} from "./trial-watch.ts";
export {
  type Delegator,
  delegatorOf,
  requireFile,
  TrustedMetadata,
  wrongHash,
  wrongSize,
} from "./trusted-metadata.ts";
export type { TargetFile, Targets } from "./tuf-document.ts";
export { type TufReason, tufReasonOf, tufRefusal } from "./tuf-refusal.ts";
