export { ChunkServer } from "./chunk-server.ts";
export { type Health, HealthWatch } from "./health-watch.ts";
export type { NodePart } from "./node-part.ts";
export { SlotsNodePart } from "./slots-node-part.ts";
