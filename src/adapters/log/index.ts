export { type SegmentLogOptions, SegmentLogStore } from "./segment-log-store.ts";
