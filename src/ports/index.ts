export type { Clock, Timer } from "./clock.ts";
export type { GroupLog, Leadership, Proposal, StateMachine } from "./consensus.ts";
export type { Gossip, GossipHandler } from "./gossip.ts";
export type {
  EntryKind,
  HardState,
  LogEntry,
  LogStore,
  LogWrite,
  RecoveredGroup,
  SnapshotMeta,
} from "./log-store.ts";
export type { LogFields, Logger, LogLevel } from "./logger.ts";
export type { Labels, Metrics } from "./metrics.ts";
export type { OriginProblem, ReleaseFile, ReleaseSource } from "./release-source.ts";
export type { SeedStorage } from "./seed-storage.ts";
export type {
  BatchOutcome,
  CommittedBatch,
  QueryOptions,
  RequestOutcome,
  ShardDatabase,
  ShardPosition,
  SnapshotInfo,
} from "./shard-database.ts";
export type { CoreStaging, SlotStore, SlotsView, StagedCore } from "./slot-store.ts";
export type { Consistency, ReadOptions, SqlService, SqlTransaction } from "./sql-service.ts";
export type {
  Admission,
  LinkStatus,
  PeerAddress,
  PeerHello,
  Priority,
  Transport,
  TransportHandler,
} from "./transport.ts";
