export type { EngineHost } from "./engine-host.ts";
export { condemnDatabase, removeSetAside } from "./generation.ts";
export { type SqliteOptions, SqliteShardDatabase } from "./sqlite-shard-database.ts";
export { WorkerHost } from "./worker-host.ts";
