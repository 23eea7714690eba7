export { SegmentLogStore } from "./segment-log-store.ts";
